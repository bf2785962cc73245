// Package journal keeps byte records on disk in the order they were appended.
//
// After Append returns, a record survives the death of this process; after Sync, or at
// most SyncInterval later, the loss of power. A record that can not be kept is refused
// with an error and counted, never dropped in silence. What was kept is found again
// whatever happens to the bytes around it: one damaged record costs that record only.
// The package neither knows nor cares what a record means.
//
//	| length 4 | checksum 4 | sequence 8 | payload … | padding to 8 |
//
// Records lie in segments: files that a background goroutine reserves, maps and
// populates ahead of need, so that Append is a copy into memory that the kernel owns.
// The length is published last, in one atomic step; whoever looks sees a whole record
// or none. docs/formats/journal.md describes the bytes for other languages.
//
// What happens when the disk does not follow, in this order; a visitor never notices any of it:
//
//  1. A slow disk: up to four full segments wait in memory to be synced. A power cut may take more
//     than SyncInterval's worth then; Stats.UnsyncedBytes tells.
//  2. A full disk, as soon as the next segment is wanted and not first when it is needed: the alarm
//     is Endangered. Kept shipped segments are deleted first, the oldest before the others. What was not
//     released is never deleted.
//  3. No next segment when the current one is full: one Append waits for it, 50 ms at most, if no reason is known
//     yet. From then on ErrFull at once, each record counted, the alarm Refusing.
//  4. The disk is tried again four times a second and after each Release. With the first segment
//     that it gives, recording goes on.
//
// A sync that fails makes the alarm Endangered until one succeeds. A fault in the map costs the
// record being written, counted, and the rest of its segment. A deleted folder is made again within a quarter
// of a second, with what is still mapped; what is gone is counted as Deleted.
//
// One Journal is one lane with one folder. A program with several event loops opens one
// journal for each; nothing is shared between them.
//
// Locks, in the order they are taken: syncMu or rollMu, mu, listMu. Append takes mu only,
// unless it has to move to the next segment: it then lets go of mu and takes rollMu first. Nobody
// waits for the disk with mu held.
package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrFull means that the record was not kept: the disk is full, MaxBytes is reached, or the
	// disk could not make the next segment in time. Recording resumes by itself.
	ErrFull = errors.New("journal: full, the record was not kept")
	// ErrTooLarge means that the record was not kept because no segment can hold it.
	ErrTooLarge = errors.New("journal: the record is too large")
	// ErrClosed means that the journal or the reader has been closed.
	ErrClosed = errors.New("journal: closed")
	// ErrLocked means that another process, or another Journal in this one, writes to the folder.
	ErrLocked = errors.New("journal: the folder is in use by another writer")
	// ErrAhead means that a position lies behind the journal's end.
	ErrAhead = errors.New("journal: the position lies behind the end of the journal")
)

const (
	segmentBytesDefault = 16 << 20
	segmentBytesMin     = pageBytes
	segmentBytesMax     = 1 << 30
	syncIntervalDefault = 50 * time.Millisecond

	// readyWaitDefault is how long an Append waits for the next segment while the disk is
	// healthy. It happens when records come faster than the disk reserves space,
	// gigabytes per second. A segment that is still not there then means a disk that
	// hangs, and until one arrives every Append is refused at once: a visitor is
	// never held up by the paperwork.
	readyWaitDefault = 50 * time.Millisecond

	// unsyncedSegmentsMax bounds the memory that full segments hold while a slow disk
	// takes them in. No segment is prepared beyond it.
	unsyncedSegmentsMax = 4

	// numbersSkipped is how many segment numbers Open leaves out after a crash. A power cut
	// may take the names of the segments that were not synced, of which there are fewer,
	// and a consumer that remembers a place in one must not find other records there.
	numbersSkipped = 4 * unsyncedSegmentsMax
)

// niceness of the goroutines that prepare, sync and compress segments: whoever
// appends goes first. They need a few hundredths of a processor.
const niceness = 5

// Options says how a journal keeps its records. The zero value is ready to use.
type Options struct {
	SegmentBytes int64         // size of a segment, 4 KiB to 1 GiB; default 16 MiB
	SyncInterval time.Duration // longest time before a record is safe from a power cut; default 50 ms
	MaxBytes     int64         // limit over all segments, set-aside and shipped ones not counted; 0 means only the disk's
	Keep         time.Duration // how long released segments are kept, compressed; 0 with KeepBytes means as long as there is room
	KeepBytes    int64         // how much they may take; 0 with Keep means as much as the disk has. Both 0: nothing is kept
	Logger       *slog.Logger  // default: silent
	Now          func() time.Time

	allocate  func(*os.File, int64) error // tests make the disk full with it
	readyWait time.Duration               // tests have a busy disk's patience
	uptime    func() time.Duration        // tests let time pass with it
	ticks     <-chan time.Time            // tests sync with it instead of SyncInterval

	// synced is told to tests: a range of a segment is on the disk, or, without a path, the names are.
	synced func(path string, from, end int64)
}

// Journal appends records to a folder. All methods are safe for concurrent use.
type Journal struct {
	dir     string
	options Options
	log     *slog.Logger
	lock    *os.File
	ready   chan *segment // holds at most the one segment that is prepared
	prepare chan struct{} // asks for it, or to try again
	refuse  chan struct{} // there will be none for now: do not wait
	filled  chan struct{} // a segment is full: sync and unmap it
	look    chan struct{} // the folder may be gone
	stop    chan struct{}
	shipped chan struct{} // a segment was moved to the shipped ones
	quit    chan struct{} // ends what is done with them
	done    sync.WaitGroup

	adopted bool // not written to, see Adopt
	kept    kept // the shipped segments

	skip uint64 // segment numbers to leave out before the next; Open's, then prepareSegments'

	end      atomic.Uint64 // packed Position, published after each record
	synced   atomic.Uint64 // packed Position
	released atomic.Uint64 // packed Position
	waiter   atomic.Bool   // a reader waits for the next record

	unsynced atomic.Int32 // full segments that are still mapped

	rollMu sync.Mutex // one Append at a time moves to the next segment
	late   bool       // the disk hung once; no waiting until it has recovered

	mu       sync.Mutex // the appending state
	current  *segment
	offset   int64
	sequence uint64 // of the next record
	closed   bool
	shut     bool // Close has been called
	largest  int  // payload that a segment can hold

	syncMu  sync.Mutex // one sync at a time
	settled [2]uint64  // the last full segments that were synced, still in memory

	listMu   sync.Mutex
	segments []segmentInfo // all that are on the disk, ascending, the prepared one last
	highest  uint64        // number that was ever given to one
	marked   bool          // an adopted journal ends with a marker
	full     []*segment    // not written any more, not yet synced
	waiting  []*Reader
	counters counters
	recovery Recovery
}

// segmentInfo is what the journal knows of a segment on disk without reading it.
type segmentInfo struct {
	number  uint64
	bytes   int64
	first   uint64 // first sequence, 0 if unknown
	foreign bool   // another format version: never touched
	leaving bool   // released, its file may be gone already
	end     int64  // behind its last record, known of the last one that a writer left behind
	damage  string // the first damage that somebody met in it
	clean   bool   // somebody read all of it without damage
}

// Open opens the journal in a folder for appending, creating the folder if necessary.
// It looks at the end of what is there, as far back as the last record, and starts a new
// segment behind it: whatever a crash left behind is never written over. It returns
// ErrLocked when another writer has the folder.
func Open(dir string, o Options) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("journal: make the folder: %w", err)
	}
	j, clean, err := newJournal(dir, o)
	if err != nil {
		return nil, err
	}
	if err := j.recover(clean); err != nil {
		return nil, errors.Join(fmt.Errorf("journal: open %s: %w", dir, err), j.lock.Close())
	}
	j.done.Add(2)
	go j.prepareSegments()
	go j.syncPeriodically()
	j.startKeeping()
	return j, nil
}

// newJournal locks the folder; clean says that the last writer closed its journal.
func newJournal(dir string, o Options) (j *Journal, clean bool, err error) {
	if o, err = o.withDefaults(); err != nil {
		return nil, false, fmt.Errorf("journal %s: %w", dir, err)
	}
	lock, clean, err := lockFolder(dir)
	if err != nil {
		return nil, false, err
	}
	return &Journal{
		dir: dir, options: o, lock: lock, largest: o.payloadBytesMax(), log: o.Logger.With("journal", dir),
		ready: make(chan *segment, 1), prepare: make(chan struct{}, 1),
		refuse: make(chan struct{}, 1), filled: make(chan struct{}, 1), look: make(chan struct{}, 1),
		stop: make(chan struct{}), shipped: make(chan struct{}, 1), quit: make(chan struct{}),
		kept: kept{seen: map[uint64]time.Duration{}},
	}, clean, nil
}

func (o Options) withDefaults() (Options, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = segmentBytesDefault
	}
	if o.SyncInterval == 0 {
		o.SyncInterval = syncIntervalDefault
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.readyWait == 0 {
		o.readyWait = readyWaitDefault
	}
	if o.uptime == nil {
		began := time.Now() // whose monotonic part no setting of the clock moves
		o.uptime = func() time.Duration { return time.Since(began) }
	}
	if o.synced == nil {
		o.synced = func(string, int64, int64) {}
	}
	if o.allocate == nil {
		o.allocate = preallocate
	}
	var faults []error
	if o.SegmentBytes < segmentBytesMin || o.SegmentBytes > segmentBytesMax {
		faults = append(faults, fmt.Errorf("segment size %d: want %d to %d bytes", o.SegmentBytes, segmentBytesMin, segmentBytesMax))
	}
	o.SegmentBytes = (o.SegmentBytes + pageBytes - 1) &^ (pageBytes - 1)
	if o.SyncInterval < 0 {
		faults = append(faults, fmt.Errorf("sync interval %s: want more than 0", o.SyncInterval))
	}
	if o.MaxBytes != 0 && o.MaxBytes < 2*o.SegmentBytes {
		faults = append(faults, fmt.Errorf("limit of %d bytes: want at least two segments of %d bytes, or smaller segments", o.MaxBytes, o.SegmentBytes))
	}
	if o.Keep < 0 || o.KeepBytes < 0 {
		faults = append(faults, fmt.Errorf("keep %s and %d bytes: want 0 or more", o.Keep, o.KeepBytes))
	}
	return o, errors.Join(faults...)
}

// payloadBytesMax is the longest payload that a segment of this size holds.
func (o Options) payloadBytesMax() int {
	return int(min(o.SegmentBytes-headerBytes-frameBytes, MaxPayloadBytes))
}

// Append adds a record and returns the position behind it. When it returns without error,
// the record survives the death of this process; see Sync for the loss of power. It copies
// the payload and allocates nothing. Records get their sequence and place in the
// order of the calls.
//
// On ErrTooLarge, ErrFull or ErrClosed, or when the disk fails under the segment, the record is
// not kept and has been counted in Stats.
func (j *Journal) Append(payload []byte) (Position, error) {
	one := [1][]byte{payload}
	_, end, err := j.appendAll(one[:])
	if err != nil {
		return Position{}, err
	}
	return end, nil
}

// AppendAll adds records in their order, each as Append would, for less. An event loop calls it once
// a round, before it sends the answers. It returns how many were kept; where that
// is not all, each of the others has been counted and the error is why the first of them was refused.
func (j *Journal) AppendAll(payloads [][]byte) (kept int, err error) {
	kept, _, err = j.appendAll(payloads)
	return kept, err
}

func (j *Journal) appendAll(payloads [][]byte) (kept int, end Position, failed error) {
	j.mu.Lock()
	for len(payloads) > 0 {
		n, err := j.appendRun(payloads)
		kept, payloads = kept+n, payloads[n:]
		if err == errNoRoom {
			err = j.makeRoom(paddedBytes(len(payloads[0])))
		}
		if err != nil {
			j.refused(err)
			payloads = payloads[1:]
			if failed == nil {
				failed = err
			}
		}
	}
	end = j.End()
	j.mu.Unlock()
	if j.waiter.Load() {
		j.wakeReaders()
	}
	return kept, end, failed
}

// errNoRoom means that the current segment can not hold the next record.
var errNoRoom = errors.New("no room in the current segment")

// appendRun writes as many records as go into the current segment and returns their number,
// and what keeps the next one out. It is called with mu held, as fits is.
func (j *Journal) appendRun(payloads [][]byte) (int, error) {
	if j.closed {
		return 0, ErrClosed
	}
	n, size, stopped := 0, int64(0), error(nil)
	for _, payload := range payloads {
		if len(payload) > j.largest {
			stopped = ErrTooLarge
			break
		}
		if size += paddedBytes(len(payload)); !j.fits(size) {
			stopped = errNoRoom
			break
		}
		n++
	}
	if n == 0 {
		return 0, stopped
	}
	n, end, err := putRecords(j.current.bytes, j.offset, j.sequence, payloads[:n])
	j.offset = end
	j.sequence += uint64(n)
	j.end.Store(Position{Segment: j.current.number, Offset: end}.pack())
	if err != nil {
		number := j.current.number
		j.markDamaged(number, "writing to it ended early: "+errFault.Error())
		j.abandon()
		return n, fmt.Errorf("journal: append to segment %d: %w; recording goes on in the next segment", number, err)
	}
	return n, stopped
}

func (j *Journal) fits(size int64) bool {
	return j.current != nil && j.offset+size <= int64(len(j.current.bytes))
}

// makeRoom moves to the prepared segment, unless there is none. It is called with mu held and waits
// without it: shorter records may still find room, and the syncing goroutine must get on.
func (j *Journal) makeRoom(size int64) error {
	j.mu.Unlock()
	j.rollMu.Lock()
	defer j.rollMu.Unlock()
	j.mu.Lock()
	if j.closed || j.fits(size) { // somebody else has been here
		return nil
	}
	j.mu.Unlock()
	next := j.takeReady()
	j.mu.Lock()
	if next == nil {
		return ErrFull
	}
	if j.closed {
		next.discard(next.path)
		j.delist(next.number)
		return nil
	}
	if !j.roll(next) {
		return ErrFull
	}
	return nil
}

// roll makes the prepared segment the current one.
func (j *Journal) roll(next *segment) bool {
	if next.activate(j.sequence) != nil {
		// It stays behind unused, and its number is spent.
		j.retire(next, 0)
		j.markDamaged(next.number, "it could not be used: "+errFault.Error())
		j.askForSegment()
		return false
	}
	if j.current != nil {
		j.retire(j.current, j.offset)
	}
	j.edit(next.number, func(s *segmentInfo) { s.first = j.sequence })
	j.current, j.offset = next, headerBytes
	j.counters.rolls.Add(1)
	j.counters.refusing.Store(false)
	j.askForSegment()
	return true
}

// takeReady returns the prepared segment, waiting for it only while the disk is well.
func (j *Journal) takeReady() *segment {
	select {
	case s := <-j.ready:
		j.late = false
		return s
	default:
	}
	select {
	case <-j.refuse: // of another time
	default:
	}
	if j.late || j.counters.trouble.Load() != nil {
		return nil
	}
	began := time.Now()
	limit := time.NewTimer(j.options.readyWait)
	defer limit.Stop()
	select {
	case s := <-j.ready:
		j.counters.waited(time.Since(began))
		return s
	case <-j.refuse:
		j.counters.waited(time.Since(began))
		return nil
	case <-limit.C:
		j.counters.waited(time.Since(began))
		j.late = true
		return nil
	}
}

// abandon leaves a segment whose map has failed or whose folder was deleted. What is
// still in it is kept and read.
func (j *Journal) abandon() {
	j.retire(j.current, j.offset)
	j.current = nil
}

// End returns the position behind the last record.
func (j *Journal) End() Position { return unpack(j.end.Load()) }

// Close syncs, gives back the space that was reserved and not used, and unlocks the folder.
// Readers can still read what is there. Closing twice is harmless.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.shut {
		j.mu.Unlock()
		return nil
	}
	j.closed, j.shut = true, true
	j.mu.Unlock()
	close(j.quit)
	if j.adopted {
		j.done.Wait()
		return unlock(j.lock, j.marked)
	}
	close(j.stop)
	j.done.Wait()

	j.mu.Lock()
	if j.current != nil && j.current.unlinked() {
		j.abandon()
	}
	j.mu.Unlock()
	err := j.Sync()
	j.syncMu.Lock()
	defer j.syncMu.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.current != nil {
		err = errors.Join(err, j.current.release(), os.Truncate(j.current.path, j.offset))
		j.resize(j.current.number, j.offset)
		j.current = nil
	}
	select {
	case s := <-j.ready: // never used
		s.discard(s.path)
		j.delist(s.number)
	default:
	}
	j.loseFull()
	j.wakeReaders()
	if err = errors.Join(err, unlock(j.lock, err == nil)); err != nil {
		return fmt.Errorf("journal: close %s: %w", j.dir, err)
	}
	return nil
}
