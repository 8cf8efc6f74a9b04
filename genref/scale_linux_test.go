package genref

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// authorsShard is about the number of triplets in a shard of the authors' set.
const authorsShard = 5000

// BenchmarkDryRun builds a set of b.N triplets from encoded images, without a generator. It
// reports the time per triplet, the processor time, the peak memory of the process, and the
// write speed as a share of that of plain files of a shard's size on the same disk, measured
// before and after. It fails if the peak is 500 MB or more.
//
//	go test ./genref -run '^$' -bench DryRun -benchtime 1000000x -timeout 1h
func BenchmarkDryRun(b *testing.B) {
	if b.N == 1 {
		return // the testing package tries a benchmark with 1 first
	}
	dir := b.TempDir()
	source := newStub(b)
	total := min(b.N, 4*authorsShard) * (len(source.flawed) + len(source.enhanced))
	before := plainSpeed(b, b.TempDir(), total)
	b.ResetTimer()
	begin, spent := time.Now(), processorTime(b)
	m, err := Build(b.Context(), dir, Plan{Source: "rule", Seed: 1, Count: b.N, ShardSize: authorsShard}, source, nil)
	if err != nil {
		b.Fatal(err)
	}
	elapsed := time.Since(begin)
	spent = processorTime(b) - spent
	b.StopTimer()
	if m.Triplets() != b.N {
		b.Fatalf("%d triplets, want %d", m.Triplets(), b.N)
	}
	bytes := int64(0)
	for _, s := range m.Shards {
		bytes += s.Bytes
	}
	disk := (before + plainSpeed(b, b.TempDir(), total)) / 2
	b.SetBytes(bytes / int64(b.N))
	b.ReportMetric(100*float64(bytes)/elapsed.Seconds()/disk, "%disk")
	b.ReportMetric(disk/1e6, "disk-MB/s")
	b.ReportMetric(float64(spent.Microseconds())/float64(b.N), "cpu-µs/op")
	checkPeak(b)
}

// BenchmarkDuplicateIndex enters b.N triplets into the index of duplicates, the only memory
// of a build that grows with the set. It reports the peak memory of the process and fails
// as [BenchmarkDryRun] does.
func BenchmarkDuplicateIndex(b *testing.B) {
	if b.N == 1 {
		return
	}
	d := newDuplicateIndex()
	marker := []byte{0xff, 0xd8}
	_, err := (&stubSource{marker, marker}).Fill(b.Context(), FillRequest{Count: b.N, Random: newRandom(1), Add: d.add})
	if err != nil {
		b.Fatal(err)
	}
	checkPeak(b)
}

func checkPeak(b *testing.B) {
	b.Helper()
	peak := peakMemory(b)
	b.ReportMetric(float64(peak)/1e6, "peak-MB")
	if peak >= 500e6 {
		b.Errorf("the peak memory is %d bytes: it must stay under 500 MB for any set", peak)
	}
}

// BenchmarkSmallShards builds sets of many small shards: the cost per shard must not grow
// with their number.
func BenchmarkSmallShards(b *testing.B) {
	for _, shards := range []int{1000, 4000} {
		b.Run(fmt.Sprint(shards), func(b *testing.B) {
			spent := processorTime(b)
			for b.Loop() {
				_, err := Build(b.Context(), b.TempDir(), Plan{Source: "rule", Seed: 1, Count: 2 * shards, ShardSize: 2}, newStub(b), nil)
				if err != nil {
					b.Fatal(err)
				}
			}
			spent = processorTime(b) - spent
			b.ReportMetric(spent.Seconds()*1e3/float64(shards)/float64(b.N), "cpu-ms/shard")
		})
	}
}

// processorTime returns the processor time of the process so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// plainSpeed returns the speed in bytes per second of writing and flushing files of a
// shard's size.
func plainSpeed(b *testing.B, dir string, total int) float64 {
	b.Helper()
	chunk := make([]byte, 1<<20)
	for i := range chunk {
		chunk[i] = byte(i * 7)
	}
	const size = 80 << 20
	begin, written := time.Now(), 0
	for n := 0; written < total; n++ {
		path := filepath.Join(dir, strconv.Itoa(n))
		file, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		for at := 0; at < min(size, total); at += len(chunk) {
			w, err := file.Write(chunk)
			if err != nil {
				b.Fatal(err)
			}
			written += w
		}
		if err := file.Sync(); err != nil {
			b.Fatal(err)
		}
		if err := file.Close(); err != nil {
			b.Fatal(err)
		}
	}
	return float64(written) / time.Since(begin).Seconds()
}

// peakMemory returns the peak of the process's resident set in bytes.
func peakMemory(b *testing.B) int64 {
	b.Helper()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skipf("peak memory is unknown on this system: %v", err)
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	b.Fatal("no VmHWM in /proc/self/status")
	return 0
}
