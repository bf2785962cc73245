package catalog

import (
	"context"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// LinkSource is a file of links in any format, read from front to back.
type LinkSource interface {
	// Next returns the next link with the number of the line where it starts,
	// counted from 1, and that line's text. An error with the code Invalid says
	// that this entry is bad, and reading goes on; io.EOF is the end; any other error
	// (a truncated file, a failing disk) ends the import without effect.
	Next() (line int64, text string, link affiliate.Link, err error)
}

// ImportOptions say what an import does with what it finds.
type ImportOptions struct {
	// SkipBad imports the good lines of a file that has bad ones. Otherwise one
	// bad line means that nothing is changed.
	SkipBad bool
	// Update replaces links whose slug exists; otherwise they are bad lines.
	Update bool
	// DryRun does everything except keeping it.
	DryRun bool
	// Progress is called about every ten thousand lines, with how many have been read.
	Progress func(read int64)
	// OnBad is handed every bad line, in order; its error ends the import
	// without effect.
	OnBad func(BadLine) error
}

// BadLine is an entry that cannot be imported.
type BadLine struct {
	Line   int64  `json:"line"`
	Text   string `json:"text"`
	Reason string `json:"reason"`
}

// BadLinesMax is how many bad lines a report keeps; OnBad gets them all.
const BadLinesMax = 1000

// ImportReport is what came of an import. When Applied is false nothing was
// changed, and Created and Updated count what would have been.
type ImportReport struct {
	Read      int64     `json:"read"`
	Created   int64     `json:"created"`
	Updated   int64     `json:"updated"`
	Unchanged int64     `json:"unchanged"`
	Bad       int64     `json:"bad"`
	BadLines  []BadLine `json:"bad_lines,omitempty"` // the first BadLinesMax
	Applied   bool      `json:"applied"`
}

// ImportLinks stores the links of a file in one piece: all, or none when the call
// fails, is cut short, or finds a bad line without SkipBad. Bad lines are not an
// error of the call: look at Bad and Applied. A slug that stands in the file twice is bad
// the second time. Other changes wait until the import is done; readers do not.
func (c *Catalog) ImportLinks(ctx context.Context, actor Actor, source LinkSource, options ImportOptions) (ImportReport, error) {
	return ImportReport{}, errUnbuilt
}
