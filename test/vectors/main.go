// Command vectors writes the decision vectors with the documents that the edge needs for them,
// for the tests of its code: a JSON list of {name, documents, cases: [{name, documents, visit, expect}]},
// where a case with documents of its own has these instead. shortfalls are what a CloudFront Function
// answers otherwise, by the link's id.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/export"
	"github.com/sluicehq/sluice/internal/export/edge"
	"github.com/sluicehq/sluice/internal/export/exporttest"
)

type file struct {
	Name       string                     `json:"name"`
	Documents  map[string]json.RawMessage `json:"documents"`
	Shortfalls map[int64][]string         `json:"shortfalls"`
	Cases      []vector                   `json:"cases"`
}

type vector struct {
	Name       string                     `json:"name"`
	Documents  map[string]json.RawMessage `json:"documents,omitempty"`
	Shortfalls map[int64][]string         `json:"shortfalls,omitempty"`
	Visit      json.RawMessage            `json:"visit"`
	Expect     exporttest.Expectation     `json:"expect"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "vectors:", err)
		os.Exit(1)
	}
}

func run() error {
	files, err := exporttest.Vectors("testdata/decisions")
	if err != nil {
		return err
	}
	var list []file
	for _, f := range files {
		out := file{Name: f.Name}
		if out.Documents, out.Shortfalls, err = documents(f.Source(&exporttest.Case{})); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		for i := range f.Cases {
			c := &f.Cases[i]
			v := vector{Name: c.Name, Visit: visit(&c.Visit), Expect: c.Expect}
			if c.Links != nil {
				if v.Documents, v.Shortfalls, err = documents(f.Source(c)); err != nil {
					return fmt.Errorf("%s: %s: %w", f.Name, c.Name, err)
				}
			}
			out.Cases = append(out.Cases, v)
		}
		list = append(list, out)
	}
	return json.NewEncoder(os.Stdout).Encode(list)
}

// visit spells a visit as the code at the edge does.
func visit(v *exporttest.Visit) json.RawMessage {
	action := v.Action
	if action == "" {
		action = affiliate.Pass.String()
	}
	b, err := json.Marshal(map[string]any{
		"host": v.Host, "path": v.Path, "query": v.Query, "time": v.Time.UnixMilli(), "clickID": v.ClickID, "visitor": v.Visitor,
		"returning": v.Returning, "action": action, "language": v.Language, "referrer": v.Referrer, "country": v.Country, "device": v.Device,
	})
	if err != nil {
		panic("BUG: " + err.Error()) // text and numbers encode
	}
	return b
}

func documents(from *export.Source) (docs map[string]json.RawMessage, shortfalls map[int64][]string, err error) {
	docs, shortfalls = map[string]json.RawMessage{}, map[int64][]string{}
	report := &export.Report{}
	err = edge.Documents(context.Background(), from, report, func(key string, document []byte) error {
		docs[key] = document
		return nil
	})
	if err == nil && report.Refused > 0 {
		err = fmt.Errorf("%v", report.Shortfalls)
	}
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "sluice-vectors-")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is in the folder for what nobody keeps
	if report, err = (edge.CloudFront{}).Export(context.Background(), from, time.Now(), dir); err != nil {
		return nil, nil, err
	}
	for _, s := range report.Shortfalls {
		shortfalls[s.Link] = append(shortfalls[s.Link], s.What)
	}
	return docs, shortfalls, nil
}
