package routing

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// The file of a base, little-endian:
//
//	| magic 8 | version 4 | header checksum 4 | body checksum 4 | 0 4 | seq 8 |
//	| records end 8 | slots 8 | index offset 8 | world offset 8 | file end 8 | links 8 |
//	| records … | padding to 64 | index: slots × 8 | world: JSON |
//
// A slot is 0 when empty, else the upper 24 bits of the name's hash and the
// record's offset in the file, 40 bits. Probing is linear from hash mod slots;
// slots is a power of two and at most 3/4 full. Checksums are CRC-32C: of the
// header with its own field zero, and of everything after the header.
const (
	baseMagic       = "SLUICETB"
	baseVersion     = 2
	baseVersionRead = 1 // the oldest that is read: its text is not packed
	baseHeaderBytes = 88
	slotOffsetBits  = 40
	slotOffsetMask  = 1<<slotOffsetBits - 1
	hugePageBytes   = 2 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// base is one immutable block of links. The zero-link base has no bytes.
type base struct {
	file   []byte // the whole file
	copied bool   // in memory of its own
	index  []byte
	mask   uint64
	header baseHeader
}

type baseHeader struct {
	bodySum    uint32
	seq        int64
	recordsEnd int64
	slots      int64
	index      int64
	world      int64
	end        int64
	links      int64
}

var emptyBase = &base{}

// find returns the record of a name, or nil.
func (b *base) find(hash uint64, site uint16, slug string) []byte {
	if b.mask == 0 {
		return nil
	}
	tag := hash >> slotOffsetBits
	for i := hash & b.mask; ; i = (i + 1) & b.mask {
		slot := b.slot(i)
		if slot == 0 {
			return nil
		}
		if slot>>slotOffsetBits != tag {
			continue
		}
		record := b.record(int64(slot & slotOffsetMask))
		if s, n, _ := recordName(record); s == site && n == slug {
			return record
		}
	}
}

// slot is a place of the index: what is there of a name's hash, and where its record
// is; 0 for nothing.
func (b *base) slot(i uint64) uint64 { return binary.LittleEndian.Uint64(b.index[i*8:]) }

func (b *base) record(offset int64) []byte {
	r := reader{b.file[offset:b.header.recordsEnd]}
	return r.take()
}

// each calls fn for every record, in file order.
func (b *base) each(fn func(record []byte) error) error {
	if b.mask == 0 {
		return nil
	}
	for r := (reader{b.file[baseHeaderBytes:b.header.recordsEnd]}); len(r.b) > 0; {
		if err := fn(r.take()); err != nil {
			return err
		}
	}
	return nil
}

func (h baseHeader) bytes() []byte {
	b := make([]byte, baseHeaderBytes)
	copy(b, baseMagic)
	le := binary.LittleEndian
	le.PutUint32(b[8:], baseVersion)
	le.PutUint32(b[16:], h.bodySum)
	for i, n := range []int64{h.seq, h.recordsEnd, h.slots, h.index, h.world, h.end, h.links} {
		le.PutUint64(b[24+8*i:], uint64(n))
	}
	le.PutUint32(b[12:], crc32.Checksum(b, castagnoli))
	return b
}

func parseHeader(b []byte) (h baseHeader, err error) {
	if len(b) < baseHeaderBytes || string(b[:8]) != baseMagic {
		return h, errors.New("it is not a routing table")
	}
	le := binary.LittleEndian
	if v := le.Uint32(b[8:]); v < baseVersionRead || v > baseVersion {
		return h, fmt.Errorf("it has format version %d and this program reads %d to %d", v, baseVersionRead, baseVersion)
	}
	sum := le.Uint32(b[12:])
	le.PutUint32(b[12:], 0)
	if crc32.Checksum(b[:baseHeaderBytes], castagnoli) != sum {
		return h, errors.New("its header is damaged")
	}
	h.bodySum = le.Uint32(b[16:])
	for i, n := range []*int64{&h.seq, &h.recordsEnd, &h.slots, &h.index, &h.world, &h.end, &h.links} {
		*n = int64(le.Uint64(b[24+8*i:]))
	}
	return h, nil
}

// openBase opens and checks a saved base. os.ErrNotExist means that there is none.
func openBase(path string) (*base, *world, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := checkBase(f)
	if err != nil {
		return nil, nil, fmt.Errorf("the saved routing table %s cannot be used: %w", path, err)
	}
	var wf worldFile
	if err := json.Unmarshal(b.file[b.header.world:b.header.end], &wf); err != nil {
		return nil, nil, fmt.Errorf("the saved routing table %s cannot be used: %w", path, err)
	}
	b.copy()
	return b, wf.world(), nil
}

func checkBase(f *os.File) (*base, error) {
	head := make([]byte, baseHeaderBytes)
	if _, err := io.ReadFull(f, head); err != nil {
		return nil, errors.New("it is shorter than its header")
	}
	h, err := parseHeader(head)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() != h.end {
		return nil, fmt.Errorf("it has %d bytes instead of %d", info.Size(), h.end)
	}
	b, err := mapBase(f, h)
	if err != nil {
		return nil, err
	}
	sum, err := b.bodySum(f)
	if err != nil {
		return nil, fmt.Errorf("it cannot be read: %w", err)
	}
	if sum != h.bodySum {
		return nil, errors.New("its contents are damaged (checksum)")
	}
	return b, nil
}

// bodySum is the checksum of everything after the header. It reads the file as
// look-ups will, in large pages where the system has them, and lets go of each page:
// checking a large table leaves no trace in this process's memory.
func (b *base) bodySum(f *os.File) (sum uint32, err error) {
	if b.mask == 0 {
		return crc32.Checksum(b.file[baseHeaderBytes:], castagnoli), nil
	}
	defer b.letGo()
	for from := 0; from < len(b.file); from += hugePageBytes {
		part := b.file[from:min(from+hugePageBytes, len(b.file))]
		ok, err := populate(part)
		if err != nil {
			return 0, err
		}
		if !ok {
			return readSum(f)
		}
		sum = crc32.Update(sum, castagnoli, part[max(baseHeaderBytes-from, 0):])
	}
	return sum, nil
}

// readSum is bodySum by plain reading.
func readSum(f *os.File) (sum uint32, err error) {
	if _, err := f.Seek(baseHeaderBytes, io.SeekStart); err != nil {
		return 0, err
	}
	h := crc32.New(castagnoli)
	_, err = io.CopyBuffer(h, struct{ io.Reader }{f}, make([]byte, 1<<20))
	return h.Sum32(), err
}

// mapBase maps the file for reading. The mapping is released when the last table
// that uses it is gone.
func mapBase(f *os.File, h baseHeader) (*base, error) {
	if h.links == 0 {
		file := make([]byte, h.end)
		if _, err := f.ReadAt(file, 0); err != nil {
			return nil, err
		}
		return &base{file: file, header: h}, nil
	}
	file, err := unix.Mmap(int(f.Fd()), 0, int(h.end), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("it cannot be mapped: %w", err)
	}
	adviseHuge(file)
	b := &base{file: file, header: h, index: file[h.index:h.world], mask: uint64(h.slots - 1)}
	runtime.AddCleanup(b, func(m []byte) { _ = unix.Munmap(m) }, file)
	return b, nil
}

// copiedBytesMax is the size up to which a base is copied into memory of its own,
// where the kernel gives large pages for the asking. A look-up touches two places
// at random, and the processor's table of pages does not hold the small pages of a
// mapped file. A larger base stays mapped: its memory would be taken twice while the
// next one is made.
const copiedBytesMax = 64 << 20

// copy gives a base that was checked, and is not used yet, memory of its own.
func (b *base) copy() {
	if b.mask == 0 || len(b.file) > copiedBytesMax {
		return
	}
	const largePage = 2 << 20
	size := (len(b.file) + largePage - 1) &^ (largePage - 1)
	m, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return
	}
	adviseHuge(m)
	copy(m, b.file)
	_ = unix.Mprotect(m, unix.PROT_READ)
	b.letGo()
	b.file, b.copied = m[:len(b.file)], true
	b.index = b.file[b.header.index:b.header.world]
	runtime.AddCleanup(b, func(m []byte) { _ = unix.Munmap(m) }, m)
}

// letGo gives the pages of a base back that is not the current one any more, before
// the garbage collector finds out. Who still reads it gets them again.
func (b *base) letGo() {
	if b.mask != 0 && !b.copied { // a copy would be gone for good
		_ = unix.Madvise(b.file, unix.MADV_DONTNEED)
	}
	runtime.KeepAlive(b)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}
