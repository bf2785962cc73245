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

	"github.com/sluicehq/sluice/internal/affiliate"
	"golang.org/x/sys/unix"
)

// baseWriter writes a new base beside the old one, record by record, in steps that
// leave processor and disk to others. Beside the index, which is 8 bytes a slot and
// held while it is filled, it takes one chunk of memory.
type baseWriter struct {
	f     *os.File
	path  string
	pace  *pace
	chunk []byte // what is not in the file yet
	at    int64
	links int64
	sum   uint32 // of what is in the file after the header
	tmp   []byte
	// header of the sealed file.
	header baseHeader
}

const (
	// chunkBytes is written at once, and at multiples of itself, so that the page
	// cache may keep the file in large pages. Larger chunks would make look-ups among
	// millions of links some 100 ns faster, but a write of 2 MiB can take 5 ms when
	// the kernel has to find the memory first, and visitors wait for the processor
	// meanwhile.
	chunkBytes = 256 << 10
	// unwrittenMax is how much may be on its way to the disk. The journal's syncs
	// queue up behind it.
	unwrittenMax = 32 << 20
	// indexAlign keeps a slot and its neighbours in one cache line.
	indexAlign = 64
)

func newBaseWriter(path string, p *pace) (*baseWriter, error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return nil, fmt.Errorf("the routing table cannot be written: %w", err)
	}
	bw := &baseWriter{f: f, path: path, pace: p, chunk: make([]byte, 0, chunkBytes)}
	return bw, bw.write(make([]byte, baseHeaderBytes))
}

func (bw *baseWriter) write(b []byte) error {
	for len(b) > 0 {
		room := chunkBytes - bw.at%chunkBytes
		n := int(min(room, int64(len(b))))
		bw.chunk = append(bw.chunk, b[:n]...)
		bw.at += int64(n)
		b = b[n:]
		if bw.at%chunkBytes == 0 {
			if err := bw.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush brings the chunk to the file and the file, bit by bit, to the disk.
func (bw *baseWriter) flush() error {
	from := bw.at - int64(len(bw.chunk))
	body := bw.chunk[min(max(baseHeaderBytes-from, 0), int64(len(bw.chunk))):]
	bw.sum = crc32.Update(bw.sum, castagnoli, body)
	if _, err := bw.f.Write(bw.chunk); err != nil {
		return err
	}
	bw.chunk = bw.chunk[:0]
	if err := startWriting(bw.f, from, bw.at-from); err != nil {
		return err
	}
	if err := bw.pace.did(workPerChunk); err != nil {
		return err
	}
	if behind := bw.at - unwrittenMax; behind > 0 {
		return awaitWritten(bw.f, 0, behind)
	}
	return nil
}

// add appends a compiled record.
func (bw *baseWriter) add(record []byte) error {
	bw.links++
	bw.tmp = binary.AppendUvarint(bw.tmp[:0], uint64(len(record)))
	if err := bw.write(bw.tmp); err != nil {
		return err
	}
	if err := bw.write(record); err != nil {
		return err
	}
	return bw.pace.did(1)
}

// seal completes the file and makes its contents durable. It still has its
// temporary name: whoever holds the table's lock decides whether it gets its own.
func (bw *baseWriter) seal(seq int64, w *world) error {
	bw.header = baseHeader{seq: seq, links: bw.links, recordsEnd: bw.at}
	h := &bw.header
	if err := bw.write(make([]byte, -bw.at&(indexAlign-1))); err != nil {
		return err
	}
	h.index, h.slots = bw.at, slotsFor(h.links)
	if err := bw.writeIndex(); err != nil {
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
	if err := bw.flush(); err != nil {
		return err
	}
	h.bodySum = bw.sum
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
	b.copy()
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

// writeIndex fills the index in memory that the garbage collector does not know:
// 128 MiB for ten million links, gone when it is written.
func (bw *baseWriter) writeIndex() (err error) {
	if err := bw.flush(); err != nil {
		return err
	}
	index, err := unix.Mmap(-1, 0, int(bw.header.slots*8), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return fmt.Errorf("there is no memory for the index of %d links: %w", bw.links, err)
	}
	defer func() { err = errors.Join(err, unix.Munmap(index)) }()
	if err := bw.touch(index); err != nil {
		return err
	}
	mask := uint64(bw.header.slots - 1)
	err = bw.eachName(func(hash uint64, offset int64) {
		i := hash & mask
		for binary.LittleEndian.Uint64(index[i*8:]) != 0 {
			i = (i + 1) & mask
		}
		binary.LittleEndian.PutUint64(index[i*8:], hash&^slotOffsetMask|uint64(offset))
	})
	if err != nil {
		return err
	}
	return bw.write(index)
}

// touch makes the kernel find memory for the index bit by bit: filling it begins
// everywhere at once, and finding all of it in one step can take 40 ms.
func (bw *baseWriter) touch(index []byte) error {
	for at := 0; at < len(index); at += 4096 {
		index[at] = 0
		if at%chunkBytes == 0 {
			if err := bw.pace.did(workPerChunk); err != nil {
				return err
			}
		}
	}
	return nil
}

// recordHeadMax is how far into a record its name can reach: two numbers, the site
// and the slug.
const recordHeadMax = 2*binary.MaxVarintLen64 + 2 + affiliate.SlugBytesMax

// eachName reads the records back for their names, so that nothing need be kept of
// them while they are written. The file is in the page cache still.
func (bw *baseWriter) eachName(fn func(hash uint64, offset int64)) error {
	end := bw.header.recordsEnd
	r := bufio.NewReaderSize(io.NewSectionReader(bw.f, baseHeaderBytes, end-baseHeaderBytes), 1<<20)
	for at := int64(baseHeaderBytes); at < end; {
		head, err := r.Peek(recordHeadMax)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		n, size := binary.Uvarint(head)
		site, slug, _ := recordName(head[size:])
		fn(hashName(site, slug), at)
		if _, err := r.Discard(size + int(n)); err != nil {
			return err
		}
		at += int64(size) + int64(n)
		if err := bw.pace.did(1); err != nil {
			return err
		}
	}
	return nil
}
