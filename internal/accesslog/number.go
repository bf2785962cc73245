package accesslog

import "hash/maphash"

const (
	// windowSeconds is how far apart in the file lines of one second may be: servers write
	// them when a request ends, from several processes.
	windowSeconds = 2
	// backSecondsMax is how far back a second may be in the same window.
	backSecondsMax = 60
	// countedMax bounds the lines that are remembered, some seconds of a busy server. Beyond,
	// equal lines may count once.
	countedMax = 1 << 20
)

// family is a log and its rotated fellows.
type family struct {
	dir, base string
	newest    int64 // second
	counts    map[uint64]int
	older     map[uint64]int // of the window before
	turned    int64          // the second in which counts began
	open      []*log         // with marks
	leaving   []*log         // without any more; all of them is done with
}

// mark is where a second begins in a log.
type mark struct {
	second int64
	at     position
}

var lineSeed = maphash.MakeSeed()

// number says how many equal lines of the same second came before.
//
// After a start it begins anew with the first line of the window, so a line has the same
// number again, or a lower one when its fellows are far apart; never a higher one: then a
// line could count twice.
func (r *Reader) number(l *log, line []byte) int {
	if r.options.Second == nil {
		return 0
	}
	second, ok := r.options.Second(line)
	if !ok {
		return 0
	}
	f := l.family
	f.reach(l, second)
	key := maphash.Bytes(lineSeed, line)
	n := f.counts[key]
	if n == 0 {
		n = f.older[key]
	}
	f.counts[key] = n + 1
	return n
}

// reach moves the window to the second of a line that is about to be taken.
func (f *family) reach(l *log, second int64) {
	if second < f.newest-backSecondsMax { // the clock was set back, or this is another machine's
		for _, one := range f.open {
			one.marks = one.marks[:0]
		}
		f.leaving, f.open = append(f.leaving, f.open...), f.open[:0]
		f.newest, f.turned = second, second
	}
	if len(l.marks) == 0 {
		f.open = append(f.open, l)
	}
	if len(l.marks) == 0 || second > l.marks[len(l.marks)-1].second {
		l.marks = append(l.marks, mark{second, l.at})
	}
	if f.counts == nil || second >= f.turned+windowSeconds || len(f.counts) >= countedMax {
		spare := f.older
		f.older, f.counts, f.turned = f.counts, spare, second
		if f.counts == nil {
			f.counts = map[uint64]int{}
		}
		clear(f.counts)
	}
	if second <= f.newest {
		return
	}
	f.newest = second
	keep := f.open[:0]
	for _, one := range f.open {
		gone := 0
		for gone < len(one.marks) && one.marks[gone].second < second-windowSeconds {
			gone++
		}
		if one.marks = append(one.marks[:0], one.marks[gone:]...); len(one.marks) > 0 {
			keep = append(keep, one)
		} else {
			f.leaving = append(f.leaving, one)
		}
	}
	f.open = keep
}

// resumes says from where the family's logs are read again when l has been read as far as now.
func (f *family) resumes(l *log) (all []resume) {
	all = append(all, resume{l, l.at})
	for _, one := range f.open {
		if one == l {
			all[0].at = one.marks[0].at
		} else {
			all = append(all, resume{one, one.marks[0].at})
		}
	}
	for _, one := range f.leaving {
		if one != l && len(one.marks) == 0 {
			all = append(all, resume{one, one.at})
		}
	}
	f.leaving = f.leaving[:0]
	return all
}
