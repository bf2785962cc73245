package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/linkfile"
)

func (s *server) exportLinks(ctx context.Context, in *struct {
	Format string `query:"format" enum:"csv,jsonl,nginx" default:"csv" doc:"Format of the file."`
	Site   string `query:"site" doc:"Only links of this site; an nginx map needs it when there are several." example:"blog"`
	Skip   bool   `query:"skip" doc:"Leave out links that the format cannot express."`
}) (*huma.StreamResponse, error) {
	options, err := s.fileOptions(ctx, in.Site)
	if err != nil {
		return nil, err
	}
	format := linkfile.Format(in.Format)
	if format == linkfile.Nginx && options.Site == "" {
		return nil, faultf("site", "an nginx map holds the links of one site; name it")
	}
	done, err := s.mayKeepFile()
	if err != nil {
		return nil, err
	}
	if format == linkfile.JSONL {
		return s.streamLinks(ctx, options, in.Site, done)
	}
	file, refused, err := s.linkFile(ctx, format, options, in.Site)
	if err == nil && refused.n > 0 && !in.Skip {
		err = errors.Join(&affiliate.Error{Code: affiliate.Invalid, Faults: refused.faults,
			Message: fmt.Sprintf("%d links cannot be written as %s; use the format jsonl, or leave them out with skip", refused.n, format)}, file.Close())
	}
	if err != nil {
		done()
		return nil, err
	}
	return s.download(fileTypes[format], fileNames[format], func(w http.ResponseWriter) error {
		defer done()
		defer func() { _ = file.Close() }() // it was only read, and is gone already
		w.Header().Set("Sluice-Skipped", strconv.Itoa(refused.n))
		if about, err := file.Stat(); err == nil {
			w.Header().Set("Content-Length", strconv.FormatInt(about.Size(), 10))
		}
		_, err := io.Copy(w, file)
		return err
	}), nil
}

var (
	fileTypes = map[linkfile.Format]string{linkfile.CSV: "text/csv; charset=utf-8", linkfile.JSONL: "application/x-ndjson", linkfile.Nginx: "text/plain; charset=utf-8"}
	fileNames = map[linkfile.Format]string{linkfile.CSV: "links.csv", linkfile.JSONL: "links.jsonl", linkfile.Nginx: "links.map"}
)

// refusals are the links that a format cannot express.
type refusals struct {
	n      int
	faults []affiliate.Fault // the first faultsMax
}

// faultsMax is how many of many faults an answer names.
const faultsMax = 100

func (r *refusals) add(link *affiliate.Link, err error) {
	if r.n++; r.n <= faultsMax {
		r.faults = append(r.faults, affiliate.Fault{Field: link.Site + "/" + link.Slug, Message: err.Error()})
	}
}

// linkFile writes the links into a file without a name. What the format cannot
// express is known before the first byte is sent then, and a slow receiver does
// not keep the store from tidying up behind a long reading.
func (s *server) linkFile(ctx context.Context, format linkfile.Format, options linkfile.Options, site string) (file *os.File, refused refusals, err error) {
	file, err = s.tempFile()
	if err != nil {
		return nil, refused, err
	}
	err = s.writeLinks(ctx, file, format, options, site, refused.add)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = s.diskFull()
	}
	if err != nil {
		return nil, refused, errors.Join(err, file.Close())
	}
	return file, refused, nil
}

// streamLinks sends JSON lines, which can express every link, while they are written. They go through a
// file all the same, for the sake of slow receivers.
func (s *server) streamLinks(ctx context.Context, options linkfile.Options, site string, done func()) (*huma.StreamResponse, error) {
	file, err := s.tempFile()
	if err != nil {
		done()
		return nil, err
	}
	return s.download(fileTypes[linkfile.JSONL], fileNames[linkfile.JSONL], func(w http.ResponseWriter) error {
		defer done()
		defer func() { _ = file.Close() }() // nobody needs it any more
		ctx, stop := context.WithCancel(ctx)
		g := newGrowing(file)
		var writing sync.WaitGroup
		defer writing.Wait()
		defer stop()
		writing.Go(func() {
			err := s.writeLinks(ctx, g, linkfile.JSONL, options, site, func(*affiliate.Link, error) {})
			if errors.Is(err, syscall.ENOSPC) {
				err = s.diskFull()
			}
			g.end(err)
		})
		w.Header().Set("Sluice-Skipped", "0")
		return g.copyTo(w)
	}), nil
}

// writeLinks writes the links of a site, or of all, and tells of those that the
// format cannot express.
func (s *server) writeLinks(ctx context.Context, w io.Writer, format linkfile.Format, options linkfile.Options, site string, refused func(*affiliate.Link, error)) error {
	out, err := linkfile.NewWriter(format, w, options)
	if err != nil {
		return err
	}
	if format == linkfile.Nginx {
		site = options.Site
	}
	_, err = s.Catalog.Snapshot(ctx, catalog.Visitor{Link: func(link affiliate.Link) error {
		if site != "" && link.Site != site {
			return nil
		}
		err := out.Write(&link)
		if affiliate.CodeOf(err) == affiliate.Invalid {
			refused(&link, err)
			return nil
		}
		return err
	}})
	if err != nil {
		return err
	}
	return out.Close()
}
