package journal

import "fmt"

// Damage is one place that could not be read as the writer left it. It is news for
// the operator, not an error for the reader: reading goes on behind it.
type Damage struct {
	Segment uint64 `json:"segment"`      // number of the segment
	Offset  int64  `json:"offset"`       // where it begins, in bytes from the start of the segment's file
	Bytes   int64  `json:"bytes"`        // how many bytes were passed over; 0 when something is absent
	Records uint64 `json:"records_lost"` // records lost, as the sequences around it tell; 0 if none or unknown
	Reason  string `json:"reason"`       // what is wrong
	Hint    string `json:"hint"`         // what to do about it
}

// String is the damage as one line for a person.
func (d Damage) String() string {
	where := fmt.Sprintf("segment %d, offset %d", d.Segment, d.Offset)
	if d.Bytes > 0 {
		where += fmt.Sprintf(", %d bytes", d.Bytes)
	}
	text := where + ": " + d.Reason
	switch {
	case d.Records == 1:
		text += "; 1 record lost"
	case d.Records > 1:
		text += fmt.Sprintf("; %d records lost", d.Records)
	}
	if d.Hint != "" {
		text += " (" + d.Hint + ")"
	}
	return text
}

// Expected says that this is what a crash leaves behind, and no record is lost.
func (d Damage) Expected() bool { return d.Hint == hintTail && d.Records == 0 }

const (
	hintDisk    = "the other records are whole; check the disk and memory of this machine (dmesg, smartctl)"
	hintHeader  = "its records are read nevertheless; check the disk and memory of this machine (dmesg, smartctl)"
	hintTail    = "expected after a crash or a power cut; the bytes are kept and set aside, nothing needs to be done"
	hintMissing = "if the file was moved, put it back into the journal folder and read again from before it"
)

func hintVersion(version uint32) string {
	return fmt.Sprintf("use a version of this program that reads journal format %d; the file was left as it is", version)
}

// foreignDamage describes a segment of another format version.
func foreignDamage(segment uint64, bytes int64, version uint32) Damage {
	return Damage{
		Segment: segment, Bytes: bytes, Hint: hintVersion(version),
		Reason: fmt.Sprintf("written in journal format %d, this program reads format %d", version, FormatVersion),
	}
}

// fault is why the bytes at an offset are not a record.
type fault uint8

const (
	faultNone     fault = iota
	faultLength         // the length is smaller than a frame or longer than any record
	faultEnd            // the length reaches beyond the end of the segment
	faultChecksum       // the checksum does not match
	faultSequence       // whole, but older than what came before
	faultHole           // zeros where a record must be
	faultDisk           // the disk could not read it
)

func (f fault) reason() string {
	switch f {
	case faultLength:
		return "the record's length is impossible"
	case faultEnd:
		return "the record reaches beyond the end of the segment"
	case faultChecksum:
		return "the record's checksum does not match"
	case faultSequence:
		return "the record is older than the one before it"
	case faultHole:
		return "zeros where a record must be"
	case faultDisk:
		return "the disk could not read it"
	default:
		return ""
	}
}
