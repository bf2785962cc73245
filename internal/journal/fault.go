package journal

import (
	"encoding/binary"
	"runtime/debug"
	"unsafe"
)

// putRecords writes records one after the other from an offset of the map b and publishes
// each: the length word comes last, in one atomic step, so that neither a reader nor a
// recovery after kill -9 sees a record that is not whole. It returns how many it wrote and the
// offset behind them; on a fault those before it are whole.
//
// It is guard with its body inside: a closure here would cost an allocation per call.
func putRecords(b []byte, at int64, sequence uint64, payloads [][]byte) (written int, end int64, err error) {
	before := debug.SetPanicOnFault(true)
	end, err = at, errFault // what a fault leaves behind
	defer func() {
		debug.SetPanicOnFault(before)
		if err != nil {
			err = faultIn(b, recover())
		}
	}()
	for _, payload := range payloads {
		putRecord(b[end:], sequence, payload)
		end += paddedBytes(len(payload))
		sequence++
		written++
	}
	return written, end, nil
}

// putRecord writes a record to the start of b.
func putRecord(b []byte, sequence uint64, payload []byte) {
	length := uint32(frameBytes + len(payload))
	record := b[:length]
	binary.LittleEndian.PutUint64(record[8:], sequence)
	copy(record[frameBytes:], payload)
	// Summed in the map and not in the caller's slice, which would have to live on
	// the heap for it.
	binary.LittleEndian.PutUint32(record[4:], checksum(length, record[8:]))
	storeWord(record, length)
}

// faultIn returns errFault if what was recovered is a memory fault within the map b,
// and panics again if it is anything else.
func faultIn(b []byte, recovered any) error {
	fault, ok := recovered.(interface{ Addr() uintptr })
	if ok && len(b) > 0 {
		start := uintptr(unsafe.Pointer(&b[0]))
		if fault.Addr() >= start && fault.Addr() < start+uintptr(len(b)) {
			return errFault
		}
	}
	panic(recovered)
}

// storeTouch writes what is there already; the compiler may not drop an atomic store.
func storeTouch(b []byte, at int) {
	storeWord(b[at:], binary.LittleEndian.Uint32(b[at:]))
}
