package load

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// IDs is a bag of click ids, 24 bytes each.
type IDs []affiliate.ClickID

// ReadIDs reads a file of ids, one a line, as visitors leave it.
func ReadIDs(r io.Reader) (ids IDs, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if err := ids.Add(lines.Bytes()); err != nil {
			return ids, fmt.Errorf("line %d: %w", len(ids)+1, err)
		}
	}
	return ids, lines.Err()
}

// Add puts one more id into the bag.
func (ids *IDs) Add(id []byte) error {
	var c affiliate.ClickID
	if len(id) != len(c) {
		return fmt.Errorf("%q is not a click id", id)
	}
	copy(c[:], id)
	*ids = append(*ids, c)
	return nil
}

// ReadExport reads the ids of all clicks of an export in CSV.
func ReadExport(r io.Reader) (ids IDs, err error) {
	rows := csv.NewReader(r)
	rows.ReuseRecord = true
	names, err := rows.Read()
	if err != nil {
		return nil, err
	}
	column := slices.IndexFunc(names, func(name string) bool { return name == "id" || name == "click_id" })
	if column < 0 {
		return nil, fmt.Errorf("no id among the columns %q", names)
	}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return ids, nil
		}
		if err != nil {
			return nil, err
		}
		if err := ids.Add([]byte(row[column])); err != nil {
			return nil, err
		}
	}
}

// Comparison of what visitors were given with what was kept.
type Comparison struct {
	Given   int // different ids that visitors have
	Kept    int // different ids that were kept
	Reused  int // given to more than one visitor
	Lost    int // given and not kept
	Doubled int // kept more than once
	Extra   int // kept and not given: the answer was cut off

	FirstLost affiliate.ClickID
}

// Compare sorts both bags and compares them.
func Compare(given, kept IDs) (c Comparison) {
	sort := func(ids IDs) {
		slices.SortFunc(ids, func(a, b affiliate.ClickID) int { return bytes.Compare(a[:], b[:]) })
	}
	sort(given)
	sort(kept)
	// run returns how often the first id stands there, and what follows it.
	run := func(ids IDs) (n int, rest IDs) {
		for n = 1; n < len(ids) && ids[n] == ids[0]; n++ {
		}
		return n, ids[n:]
	}
	times := 0
	for len(given) > 0 || len(kept) > 0 {
		order := 0
		switch {
		case len(kept) == 0:
			order = -1
		case len(given) == 0:
			order = 1
		default:
			order = bytes.Compare(given[0][:], kept[0][:])
		}
		if order <= 0 {
			if order < 0 {
				if c.Lost++; c.Lost == 1 {
					c.FirstLost = given[0]
				}
			}
			if times, given = run(given); times > 1 {
				c.Reused++
			}
			c.Given++
		}
		if order >= 0 {
			if order > 0 {
				c.Extra++
			}
			if times, kept = run(kept); times > 1 {
				c.Doubled++
			}
			c.Kept++
		}
	}
	return c
}

func (c Comparison) String() string {
	s := fmt.Sprintf("%d ids given, %d kept: lost %d, doubled %d, kept but not given %d", c.Given, c.Kept, c.Lost, c.Doubled, c.Extra)
	if c.Lost > 0 {
		s += fmt.Sprintf("; the first one lost is %s of %s", c.FirstLost, c.FirstLost.Time().Format("15:04:05.000"))
	}
	if c.Reused > 0 {
		s += fmt.Sprintf("; %d were given twice", c.Reused)
	}
	return s
}
