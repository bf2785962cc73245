package routing

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// The file of a base, little-endian:
//
//	| magic 8 | version 4 | header checksum 4 | body checksum 4 | 0 4 | seq 8 |
//	| records end 8 | slots 8 | index offset 8 | world offset 8 | file end 8 | links 8 |
//	| records … | padding to 8 | index: slots × 8 | world: JSON |
//
// A slot is 0 when empty, else the upper 24 bits of the name's hash and the
// record's offset in the file, 40 bits. Probing is linear from hash mod slots;
// slots is a power of two and at most 3/4 full. Checksums are CRC-32C: of the
// header with its own field zero, and of everything after the header.
const (
	baseMagic       = "SLUICETB"
	baseVersion     = 1
	baseHeaderBytes = 88
	slotOffsetBits  = 40
	slotOffsetMask  = 1<<slotOffsetBits - 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// base is one immutable block of links. The zero-link base has no bytes.
type base struct {
	file   []byte // the whole file
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
		slot := binary.LittleEndian.Uint64(b.index[i*8:])
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

// baseWriter writes a new base beside the old one, record by record; memory grows
// by 16 bytes a link.
type baseWriter struct {
	f     *os.File
	path  string
	w     *bufio.Writer
	at    int64
	names []slotName
	tmp   []byte
	// header of the sealed file.
	header baseHeader
}

type slotName struct {
	hash   uint64
	offset int64
}

func newBaseWriter(path string) (*baseWriter, error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return nil, fmt.Errorf("the routing table cannot be written: %w", err)
	}
	bw := &baseWriter{f: f, path: path, w: bufio.NewWriterSize(f, 1<<20)}
	return bw, bw.write(make([]byte, baseHeaderBytes))
}

func (bw *baseWriter) write(b []byte) error {
	n, err := bw.w.Write(b)
	bw.at += int64(n)
	return err
}

// add appends a compiled record.
func (bw *baseWriter) add(record []byte) error {
	site, slug, _ := recordName(record)
	bw.names = append(bw.names, slotName{hashName(site, slug), bw.at})
	bw.tmp = binary.AppendUvarint(bw.tmp[:0], uint64(len(record)))
	if err := bw.write(bw.tmp); err != nil {
		return err
	}
	return bw.write(record)
}

// seal completes the file and makes its contents durable. It still has its
// temporary name: whoever holds the table's lock decides whether it gets its own.
func (bw *baseWriter) seal(seq int64, w *world) error {
	bw.header = baseHeader{seq: seq, links: int64(len(bw.names)), recordsEnd: bw.at}
	h := &bw.header
	if err := bw.write(make([]byte, -bw.at&7)); err != nil {
		return err
	}
	h.index, h.slots = bw.at, slotsFor(h.links)
	if err := bw.writeIndex(h.slots); err != nil {
		return err
	}
	h.world = bw.at
	doc, err := json.Marshal(w.file())
	if err != nil {
		return err
	}
	if err := bw.write(doc); err != nil {
		return err
	}
	h.end = bw.at
	if err := bw.w.Flush(); err != nil {
		return err
	}
	if h.bodySum, err = bodySum(bw.f); err != nil {
		return err
	}
	if _, err := bw.f.WriteAt(h.bytes(), 0); err != nil {
		return err
	}
	return bw.f.Sync()
}

// install gives a sealed file its name and opens it.
func (bw *baseWriter) install() (*base, error) {
	defer bw.discard()
	b, err := mapBase(bw.f, bw.header)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(bw.f.Name(), bw.path); err != nil {
		return nil, err
	}
	return b, syncDir(filepath.Dir(bw.path))
}

// discard closes the file and removes it if it was not given its name.
func (bw *baseWriter) discard() {
	_ = os.Remove(bw.f.Name())
	_ = bw.f.Close()
}

func slotsFor(links int64) int64 {
	slots := int64(8)
	for slots*3 < links*4 {
		slots *= 2
	}
	return slots
}

func (bw *baseWriter) writeIndex(slots int64) error {
	index := make([]uint64, slots)
	mask := uint64(slots - 1)
	for _, n := range bw.names {
		i := n.hash & mask
		for index[i] != 0 {
			i = (i + 1) & mask
		}
		index[i] = n.hash&^slotOffsetMask | uint64(n.offset)
	}
	bw.names = nil
	for _, slot := range index {
		bw.tmp = binary.LittleEndian.AppendUint64(bw.tmp[:0], slot)
		if err := bw.write(bw.tmp); err != nil {
			return err
		}
	}
	return nil
}

// bodySum reads the file past its header through a small buffer, so that checking
// a large table leaves no trace in this process's memory.
func bodySum(f *os.File) (sum uint32, err error) {
	if _, err := f.Seek(baseHeaderBytes, io.SeekStart); err != nil {
		return 0, err
	}
	h := crc32.New(castagnoli)
	_, err = io.CopyBuffer(h, struct{ io.Reader }{f}, make([]byte, 1<<20))
	return h.Sum32(), err
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
	if v := le.Uint32(b[8:]); v != baseVersion {
		return h, fmt.Errorf("it has format version %d and this program reads %d", v, baseVersion)
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
	sum, err := bodySum(f)
	if err != nil {
		return nil, err
	}
	if sum != h.bodySum {
		return nil, errors.New("its contents are damaged (checksum)")
	}
	return mapBase(f, h)
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
	b := &base{file: file, header: h, index: file[h.index:h.world], mask: uint64(h.slots - 1)}
	runtime.AddCleanup(b, func(m []byte) { _ = unix.Munmap(m) }, file)
	return b, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}
