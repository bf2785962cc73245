// Package exporttest reads the decision vectors, which the routing table and every target of an
// export must answer alike.
package exporttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/export"
)

// File is one file of testdata/decisions; docs/formats/decisions.md describes it. Its documents
// are normalised, and have been found valid.
type File struct {
	Name     string // without .json
	About    string
	Sites    []affiliate.Site
	Programs []affiliate.Program
	Partners []affiliate.Partner
	Links    []affiliate.Link
	Cases    []Case
}

// Case is one visit and what must come of it.
type Case struct {
	Name   string
	Links  *[]affiliate.Link // instead of the file's
	Visit  Visit
	Expect Expectation
}

// Visit is what a visitor sends, and what is known of him.
type Visit struct {
	Host, Path, Query  string
	Time               time.Time
	ClickID            string `json:"click_id"`
	Visitor            string
	Returning          bool
	Action             string
	Language, Referrer string
	Country, Device    string
}

// Expectation is the decision.
type Expectation struct {
	Outcome string   `json:"outcome"`
	Code    int      `json:"code"`
	URL     string   `json:"url,omitempty"`
	Link    int64    `json:"link,omitempty"`
	Site    string   `json:"site,omitempty"`
	Slug    string   `json:"slug,omitempty"`
	Program string   `json:"program,omitempty"`
	Partner string   `json:"partner,omitempty"`
	Variant string   `json:"variant,omitempty"`
	Rule    string   `json:"rule,omitempty"`
	Why     []string `json:"why"`
}

// Vectors reads all files of a folder, in order.
func Vectors(dir string) ([]*File, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("there are no decision vectors in %s: %v", dir, err)
	}
	files := make([]*File, len(paths))
	for i, path := range paths {
		if files[i], err = read(path); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return files, nil
}

func read(path string) (*File, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &File{Name: strings.TrimSuffix(filepath.Base(path), ".json")}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(f); err != nil {
		return nil, err
	}
	sites, programs := map[string]affiliate.Site{}, map[string]*affiliate.Program{}
	var faults []error
	for i := range f.Sites {
		f.Sites[i].Normalize()
		faults = append(faults, f.Sites[i].Validate())
		sites[f.Sites[i].ID] = f.Sites[i]
	}
	for i := range f.Programs {
		f.Programs[i].Normalize()
		faults = append(faults, f.Programs[i].Validate())
		programs[f.Programs[i].ID] = &f.Programs[i]
	}
	for i := range f.Partners {
		faults = append(faults, f.Partners[i].Validate())
	}
	// A vector about a link that cannot be saved would bind nobody.
	links := func(list []affiliate.Link) {
		for i := range list {
			l := &list[i]
			l.Normalize()
			_, err := l.Validate(affiliate.Surroundings{Site: sites[l.Site], Program: programs[l.Program], Operator: true})
			faults = append(faults, err)
		}
	}
	links(f.Links)
	for i := range f.Cases {
		if f.Cases[i].Links != nil {
			links(*f.Cases[i].Links)
		}
	}
	return f, errors.Join(faults...)
}

// Source is what is exported for a case.
func (f *File) Source(c *Case) *export.Source {
	links := f.Links
	if c.Links != nil {
		links = *c.Links
	}
	return &export.Source{Sites: f.Sites, Programs: f.Programs, Partners: f.Partners, Links: func(yield func(*affiliate.Link, error) bool) {
		for i := range links {
			if !yield(&links[i], nil) {
				return
			}
		}
	}}
}
