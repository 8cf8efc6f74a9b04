package service

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"reflectionflow"
	"reflectionflow/internal/disk"
)

// Keys are the API keys of a file: one line per key with the owner's name, the SHA-256 of
// the key, the day on which it was made and the owner's limits. The keys themselves are
// stored nowhere. The file is read again when it changes.
type Keys struct {
	path string

	mutex sync.Mutex
	read  time.Time // modification time of the file when it was read
	list  []Key
	// limits are those of the owners that have any.
	limits map[string]Limits
}

// Limits bound what an owner may ask for; 0 is no bound.
type Limits struct {
	Queued        int `json:"queued"`          // jobs that wait
	Running       int `json:"running"`         // jobs that run; more wait
	ImagesPerHour int `json:"images_per_hour"` // images generated in an hour; then jobs are refused
}

// fields are the limits as they are written in the file, by their names there.
func (l *Limits) fields() map[string]*int {
	return map[string]*int{"queued": &l.Queued, "running": &l.Running, "images-per-hour": &l.ImagesPerHour}
}

// String writes the limits as in the file; it is empty where there are none.
func (l Limits) String() string {
	var list []string
	for name, value := range l.fields() {
		if *value > 0 {
			list = append(list, fmt.Sprintf("%s=%d", name, *value))
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// readLimits reads the limits of a line of the file.
func readLimits(fields []string) (l Limits, ok bool) {
	for _, field := range fields {
		name, text, _ := strings.Cut(field, "=")
		value := l.fields()[name]
		n, err := strconv.Atoi(text)
		if value == nil || err != nil || n < 0 {
			return l, false
		}
		*value = n
	}
	return l, true
}

// Key is a key without its secret.
type Key struct {
	Owner string
	Made  string // day, YYYY-MM-DD
	Limits
	sum string // SHA-256 of the key, hexadecimal
}

// OpenKeys reads the keys of a file. A file that is missing has no keys.
func OpenKeys(path string) (*Keys, error) {
	k := &Keys{path: path}
	return k, k.refresh()
}

var ownerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// refresh reads the file if it has changed.
func (k *Keys) refresh() error {
	info, err := os.Stat(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		k.list, k.limits, k.read = nil, nil, time.Time{}
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: keys: %v", reflectionflow.ErrInvalid, err)
	}
	if info.ModTime().Equal(k.read) {
		return nil
	}
	data, err := readSmall(k.path)
	if err != nil {
		return fmt.Errorf("%w: keys: %v", reflectionflow.ErrInvalid, err)
	}
	// Of a damaged file the lines that can be read count: a revoked key stays revoked.
	var damaged error
	k.list, k.limits = nil, map[string]Limits{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, ok := readKey(line)
		if !ok {
			damaged = fmt.Errorf("%w: %s: %.20q is no line of a key: make keys with reflectionflow keys add NAME", reflectionflow.ErrInvalid, k.path, line)
			continue
		}
		k.list = append(k.list, key)
		if key.Limits != (Limits{}) {
			k.limits[key.Owner] = key.Limits
		}
	}
	k.read = info.ModTime()
	if damaged != nil {
		k.read = time.Time{} // say so until it is repaired
	}
	return damaged
}

// maxKeysFile is the most bytes of a file of keys.
const maxKeysFile = 16 << 20

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeysFile+1))
	if len(data) > maxKeysFile {
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxKeysFile)
	}
	return data, err
}

// readKey reads a line of the file.
func readKey(line string) (Key, bool) {
	fields := strings.Fields(line)
	if len(fields) < 3 || !ownerName.MatchString(fields[0]) || len(fields[1]) != 2*sha256.Size {
		return Key{}, false
	}
	limits, ok := readLimits(fields[3:])
	return Key{fields[0], fields[2], limits, fields[1]}, ok
}

// Reload reads the file now, whether or not its time has changed, and returns the number of
// keys.
func (k *Keys) Reload() (int, error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.read = time.Time{}
	err := k.refresh()
	return len(k.list), err
}

// Problem says what is wrong with the file, nil for nothing.
func (k *Keys) Problem() error {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return k.refresh()
}

// exclusive runs a change of the file that no other process makes at the same time.
func (k *Keys) exclusive(change func() error) error {
	lock, err := os.OpenFile(k.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("%w: keys: %v", reflectionflow.ErrInvalid, err)
	}
	defer lock.Close() // which ends the lock
	for range 500 {
		ok, err := disk.TryLock(lock)
		if err != nil {
			return fmt.Errorf("lock the keys: %w", err)
		}
		if ok {
			k.read = time.Time{} // it may have changed within the clock's step
			return change()
		}
		<-time.After(10 * time.Millisecond)
	}
	return fmt.Errorf("the keys are in use by another process: %s", lock.Name())
}

// Limits returns the limits of an owner, as the file was when a key was last looked up.
func (k *Keys) Limits(owner string) Limits {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return k.limits[owner]
}

// Owner returns whose key it is.
func (k *Keys) Owner(key string) (name string, ok bool) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	_ = k.refresh()
	sum := sumOf(key)
	for _, known := range k.list {
		if subtle.ConstantTimeCompare([]byte(known.sum), []byte(sum)) == 1 {
			name, ok = known.Owner, true
		}
	}
	return name, ok
}

// List returns the keys without their secrets.
func (k *Keys) List() []Key {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	_ = k.refresh()
	return slices.Clone(k.list)
}

// Add makes a key for an owner and returns it. It is shown this once.
func (k *Keys) Add(owner string, limits Limits, now time.Time) (string, error) {
	if !ownerName.MatchString(owner) {
		return "", fmt.Errorf("%w: the name %.40q: use letters, digits, dots, dashes and underscores, at most 64", reflectionflow.ErrInvalid, owner)
	}
	if limits.Queued < 0 || limits.Running < 0 || limits.ImagesPerHour < 0 {
		return "", fmt.Errorf("%w: a limit below 0", reflectionflow.ErrInvalid)
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	key := ""
	err := k.exclusive(func() error {
		if err := k.refresh(); err != nil {
			return err
		}
		if slices.ContainsFunc(k.list, func(known Key) bool { return known.Owner == owner }) {
			return fmt.Errorf("%w: %s has a key: revoke it first", reflectionflow.ErrInvalid, owner)
		}
		var secret [20]byte
		if _, err := rand.Read(secret[:]); err != nil {
			return fmt.Errorf("make a key: %w", err)
		}
		key = "rf-" + strings.ToLower(base32.StdEncoding.EncodeToString(secret[:]))
		return k.write(append(slices.Clone(k.list), Key{owner, now.Format(time.DateOnly), limits, sumOf(key)}))
	})
	if err != nil {
		return "", err
	}
	return key, nil
}

// Revoke drops the key of an owner.
func (k *Keys) Revoke(owner string) error {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return k.exclusive(func() error {
		if err := k.refresh(); err != nil {
			return err
		}
		left := slices.DeleteFunc(slices.Clone(k.list), func(known Key) bool { return known.Owner == owner })
		if len(left) == len(k.list) {
			return fmt.Errorf("%w: %.40q has no key", reflectionflow.ErrInvalid, owner)
		}
		return k.write(left)
	})
}

func (k *Keys) write(list []Key) error {
	var text strings.Builder
	text.WriteString("# API keys of reflectionflow serve: owner, SHA-256 of the key, day, limits such as running=2\n")
	for _, key := range list {
		text.WriteString(strings.TrimSpace(fmt.Sprintf("%s %s %s %s", key.Owner, key.sum, key.Made, key.Limits)) + "\n")
	}
	if err := disk.WriteFile(k.path, []byte(text.String())); err != nil {
		return fmt.Errorf("write the keys: %w", err)
	}
	k.list, k.read = list, time.Time{}
	return nil
}

func sumOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
