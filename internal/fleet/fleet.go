package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"reflectionflow/internal/jobs"
)

// Options are those of a process that calls workers or is one.
type Options struct {
	// Silence is how long a worker may be silent before others get its tasks; 0 means
	// 15 s.
	Silence time.Duration
	// Tries is how many workers a task may end before it is given up; 0 means 5.
	Tries int
	// Report receives errors that end nothing, such as a lost connection; nil drops them.
	Report func(error)
}

// Fleet is a process's view of the workers. Its methods may be called from several
// goroutines.
type Fleet struct {
	bus     *jobs.Bus
	options Options
	tasks   jetstream.Stream
	store   jetstream.ObjectStore
	workers jetstream.KeyValue
	models  jetstream.KeyValue
	tries   jetstream.KeyValue
	claims  jetstream.KeyValue
	// keep is how long the store keeps what it has, 0 for ever.
	keep  time.Duration
	files recent
	seen  seen

	inbox   string // answers of this process's tasks are told there
	answers *nats.Subscription
	mutex   sync.Mutex
	waiting map[string]news // by the ID of the task
}

// Names in JetStream.
const (
	taskStream    = "TASKS"
	taskPrefix    = "tasks."
	storeBucket   = "fleet"
	workersBucket = "workers"
	modelsBucket  = "models"
	triesBucket   = "tries"
	claimsBucket  = "claims"
	cancelSubject = "fleet.cancel"
)

// keepAnswers is how long answers and images are kept, where nobody has set another time:
// a job that is taken over, or resumed within it, pays for nothing again.
const keepAnswers = 24 * time.Hour

// Open opens the fleet, and makes its streams where there are none. Those that exist keep
// their limits.
func Open(ctx context.Context, bus *jobs.Bus, o Options) (*Fleet, error) {
	if o.Silence <= 0 {
		o.Silence = 15 * time.Second
	}
	if o.Tries <= 0 {
		o.Tries = 5
	}
	f := &Fleet{bus: bus, options: o, inbox: nats.NewInbox(), waiting: map[string]news{}}
	if err := f.openStores(ctx); err != nil {
		return nil, err
	}
	var err error
	f.answers, err = bus.Conn.Subscribe(f.inbox, f.told)
	if err != nil {
		return nil, fmt.Errorf("listen to answers: %w", err)
	}
	return f, nil
}

func (f *Fleet) openStores(ctx context.Context) (err error) {
	bucket := func(in *jetstream.KeyValue, name string, storage jetstream.StorageType, keep time.Duration) func(context.Context) error {
		return func(ctx context.Context) (err error) {
			*in, err = f.bus.Bucket(ctx, name, storage, keep)
			return err
		}
	}
	file := jetstream.FileStorage
	for _, store := range []struct {
		what string
		open func(context.Context) error
	}{
		{"stream of tasks", func(ctx context.Context) error {
			f.tasks, err = f.bus.Log(ctx, jetstream.StreamConfig{Name: taskStream, Subjects: []string{taskPrefix + "*.*"}, Retention: jetstream.WorkQueuePolicy, Storage: file})
			return err
		}},
		{"store of answers", func(ctx context.Context) error {
			if f.store, err = f.bus.Objects(ctx, storeBucket, keepAnswers); err != nil {
				return err
			}
			status, err := f.store.Status(ctx)
			if err == nil {
				f.keep = status.TTL()
			}
			return err
		}},
		{"bucket of claims", bucket(&f.claims, claimsBucket, jetstream.MemoryStorage, f.options.Silence)},
		{"bucket of workers", bucket(&f.workers, workersBucket, file, f.options.Silence)},
		{"bucket of models", bucket(&f.models, modelsBucket, file, 0)},
		{"bucket of tries", bucket(&f.tries, triesBucket, file, keepAnswers)},
	} {
		if err := f.bus.Make(ctx, store.what, f.options.Report, store.open); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the view. It leaves the connection open.
func (f *Fleet) Close() {
	if !f.bus.Conn.IsClosed() {
		f.report(f.answers.Unsubscribe())
	}
}

func (f *Fleet) report(err error) {
	if err != nil && f.options.Report != nil {
		f.options.Report(err)
	}
}

// news is what a caller hears of its task: that the answer is stored, with the answer where
// it fits a message, and sketches, of which the latest waits.
type news struct {
	answer   chan []byte
	sketches chan glimpse
}

// answerTask is the header of a message that tells of an answer.
const answerTask = "Answered"

// told receives a message for the caller of a task.
func (f *Fleet) told(m *nats.Msg) {
	task, sketch, shown := readGlimpse(m)
	if !shown {
		task = m.Header.Get(answerTask)
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	n := f.waiting[task] // its channels are nil for one that waits no longer
	if !shown {
		select {
		case n.answer <- m.Data:
		default:
		}
		return
	}
	select {
	case <-n.sketches: // an older one
	default:
	}
	select {
	case n.sketches <- sketch:
	default:
	}
}

// expect returns what the caller of a task hears, until done is called.
func (f *Fleet) expect(id string) (n news, done func()) {
	n = news{make(chan []byte, 1), make(chan glimpse, 1)}
	f.mutex.Lock()
	f.waiting[id] = n
	f.mutex.Unlock()
	return n, func() {
		f.mutex.Lock()
		defer f.mutex.Unlock()
		delete(f.waiting, id)
	}
}

// errMissing is the error for an object that is not stored.
var errMissing = errors.New("it is not stored")

// get reads an object; one that is not there is errMissing.
func (f *Fleet) get(ctx context.Context, name string) ([]byte, error) {
	data, err := f.bus.ReadObject(ctx, f.store, name, maxImageBytes, f.patience(0))
	switch {
	case errors.Is(err, jetstream.ErrObjectNotFound):
		return nil, errMissing
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}

func (f *Fleet) put(ctx context.Context, name string, data []byte, p jobs.Patience) error {
	err := f.bus.Persist(ctx, p, func(ctx context.Context) error {
		_, err := f.store.PutBytes(ctx, name, data)
		return err
	})
	if err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	return nil
}

// upload stores an image, unless it is stored and not about to expire, and returns its
// hash. A nil image has none. With again it is stored although it seems to be.
func (f *Fleet) upload(ctx context.Context, img image.Image, again bool) (string, error) {
	if img == nil {
		return "", nil
	}
	if hash := f.seen.hash(img); hash != "" && !again {
		return hash, nil
	}
	file, hash, err := encode(img)
	if err != nil {
		return "", err
	}
	name := imageName(hash)
	if !again {
		if info, err := f.info(ctx, name); err == nil && f.fresh(info.ModTime) {
			f.seen.put(img, hash, f.until(info.ModTime))
			return hash, nil
		}
	}
	stored := time.Now()
	if err := f.put(ctx, name, file, f.patience(len(file))); err != nil {
		return "", err
	}
	f.seen.put(img, hash, f.until(stored))
	return hash, nil
}

// fresh reports whether what was stored then is not about to expire.
func (f *Fleet) fresh(stored time.Time) bool { return time.Now().Before(f.until(stored)) }

// until is when what was stored then is about to expire.
func (f *Fleet) until(stored time.Time) time.Time {
	if f.keep == 0 {
		return stored.Add(keepAnswers)
	}
	return stored.Add(f.keep / 2)
}

// image reads a stored image, nil for an empty hash.
func (f *Fleet) image(ctx context.Context, hash string) (image.Image, error) {
	if hash == "" {
		return nil, nil
	}
	file := f.files.get(hash)
	if file == nil {
		var err error
		if file, err = f.get(ctx, imageName(hash)); err != nil {
			return nil, fmt.Errorf("image %.12s: %w", hash, err)
		}
		f.files.put(hash, file)
	}
	return f.read(hash, file)
}

// read reads an image file, and remembers its hash.
func (f *Fleet) read(hash string, file []byte) (image.Image, error) {
	if sum := sha256.Sum256(file); hex.EncodeToString(sum[:]) != hash {
		return nil, fmt.Errorf("image %.12s is damaged", hash)
	}
	return decode(file)
}

// Where images are, and answers: for all, or for the caller alone.
func imageName(hash string) string { return "image/" + hash }
func answerName(key string) string { return "answer/" + key }
func failureName(id string) string { return "failure/" + id }

// recall returns the stored answer with a name, or errMissing. An answer whose image has
// expired is none.
func (f *Fleet) recall(ctx context.Context, name string) (a answer, err error) {
	data, err := f.get(ctx, name)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return a, fmt.Errorf("read %s: %w", name, err)
	}
	if a.Image != "" {
		if _, err := f.info(ctx, imageName(a.Image)); errors.Is(err, jetstream.ErrObjectNotFound) {
			return a, errMissing
		} else if err != nil {
			return a, fmt.Errorf("look for image %.12s: %w", a.Image, err)
		}
	}
	return a, nil
}

// info describes an object.
func (f *Fleet) info(ctx context.Context, name string) (info *jetstream.ObjectInfo, err error) {
	err = f.bus.Persist(ctx, f.patience(0), func(ctx context.Context) error {
		info, err = f.store.GetInfo(ctx, name)
		return err
	})
	return info, err
}

// patience is that of operations which send or read so many bytes: a search has come far,
// and waits for NATS.
func (f *Fleet) patience(size int) jobs.Patience {
	return jobs.Patience{Limit: 2 * time.Minute, Bytes: int64(size), Report: f.options.Report}
}
