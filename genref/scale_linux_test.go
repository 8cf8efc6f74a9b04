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

// authorsShard is about how many triplets a shard of the authors' set holds.
const authorsShard = 5000

// BenchmarkDryRun builds a set of b.N triplets with a stub in the place of what draws,
// which hands over encoded pictures. Beside the time a triplet it reports the processor's
// time, the peak of the process's memory, and the speed as a share of that of writing files
// of a shard's size, before and after, to the same disk. A peak of 500 MB or more is a
// failure.
//
//	go test ./genref -run '^$' -bench DryRun -benchtime 1000000x -timeout 1h
func BenchmarkDryRun(b *testing.B) {
	if b.N == 1 {
		return // a benchmark is tried with one before
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

// BenchmarkRemember takes b.N triplets in as a build does so that none comes twice: all
// of a build's memory that grows with the set. It reports the peak of the process's memory
// and fails as [BenchmarkDryRun] does.
func BenchmarkRemember(b *testing.B) {
	if b.N == 1 {
		return
	}
	d := newDuplicateIndex()
	marker := []byte{0xff, 0xd8}
	_, err := (&stub{marker, marker}).Fill(b.Context(), FillRequest{Count: b.N, Random: newRandom(1), Add: d.add})
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
		b.Errorf("the peak of memory is %d bytes: a set of any size must stay under 500 MB", peak)
	}
}

// BenchmarkSmallShards builds sets of many small shards: what a shard costs beside its
// triplets must not grow with their number.
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

// processorTime is what the process has computed so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// plainSpeed is how many bytes a second are written to a folder's disk, in files of the
// size of a shard, each flushed.
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

// peakMemory is the most memory that the process had in use, its resident set.
func peakMemory(b *testing.B) int64 {
	b.Helper()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skipf("what memory the process had is not known here: %v", err)
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
