package rabbitmq

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice/internal/queue"
)

func TestParcelsKeepRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		partitions := rapid.IntRange(1, 5).Draw(t, "partitions")
		records := rapid.SliceOf(rapid.Custom(func(t *rapid.T) queue.Record {
			return queue.Record{Key: rapid.Uint64Range(0, 9).Draw(t, "key"), Data: bytes.Repeat([]byte{7}, rapid.IntRange(0, 40<<10).Draw(t, "length"))}
		})).Draw(t, "records")
		want, got := map[int][][]byte{}, map[int][][]byte{}
		for _, r := range records {
			k := queue.Spread(r.Key, partitions)
			want[k] = append(want[k], r.Data)
		}
		err := pack(records, partitions, func(k int, parcel []byte) (err error) {
			if len(parcel) > parcelBytesMax+parcelRecordsMax*3+1 {
				t.Fatalf("a parcel of %d bytes", len(parcel))
			}
			got[k], err = unpack(got[k], bytes.Clone(parcel))
			return err
		})
		if err != nil || !maps.EqualFunc(got, want, func(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }) {
			t.Fatalf("%v: %d partitions came out of %d", err, len(got), len(want))
		}
	})
}

func TestWhatIsNoParcel(t *testing.T) {
	whole := addRecord(addRecord(nil, []byte("one")), []byte("two"))
	for name, body := range map[string][]byte{
		"nothing":           nil,
		"no record":         {parcelVersion},
		"another version":   append([]byte{9}, whole[1:]...),
		"cut":               whole[:len(whole)-1],
		"a length too long": {parcelVersion, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"a length cut":      {parcelVersion, 0x80},
	} {
		if records, err := unpack(nil, body); err == nil {
			t.Errorf("%s: %q", name, records)
		}
	}
}

func TestPlaces(t *testing.T) {
	for _, good := range []string{"0", "17", "17+3"} {
		if p, err := parsePlace(good); err != nil || p.String() != good {
			t.Errorf("%q became %v, %v", good, p, err)
		}
	}
	for _, bad := range []string{"x", "-1", "1+", "1+0", "1+-2", "+1", "1.5", "1+2+3", " 1"} {
		if p, err := parsePlace(bad); err == nil {
			t.Errorf("%q became %v", bad, p)
		}
	}
}

func TestSharesAreEven(t *testing.T) {
	for readers := 1; readers <= 15; readers++ {
		var names []string
		for i := range readers {
			names = append(names, fmt.Sprintf("reader %d", i))
		}
		has := map[string]int{}
		for _, reader := range assign(names, 12) {
			has[reader]++
		}
		for _, name := range names {
			if n := has[name]; n < 12/readers || n > (12+readers-1)/readers {
				t.Errorf("%d readers: %s has %d of 12 partitions", readers, name, n)
			}
		}
	}
}

// A reader more or less moves what it needs and little else.
func TestFewPartitionsMove(t *testing.T) {
	const partitions = 240
	before := assign([]string{"a", "b", "c"}, partitions)
	after := assign([]string{"d", "c", "b", "a"}, partitions)
	moved := 0
	for k := range before {
		if before[k] != after[k] {
			moved++
		}
	}
	if moved < 60 || moved > 120 {
		t.Errorf("%d of %d partitions moved for a reader that takes 60", moved, partitions)
	}
}
