package edge

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/export"
)

// Lambda writes what a Lambda@Edge function is packed of: index.mjs, the documents, and a
// configuration that is written once. It is a target of package export.
type Lambda struct {
	IngestURL string // where the function brings its clicks; "" for a place to be filled in
}

// Export writes the folder.
func (l *Lambda) Export(ctx context.Context, from *export.Source, _ time.Time, dir string) (*export.Report, error) {
	report := &export.Report{}
	err := export.WriteFile(filepath.Join(dir, "documents.json"), 0o644, func(w *bufio.Writer) error {
		separator := "{\n"
		err := Documents(ctx, from, report, func(key string, document []byte) error {
			name, err := json.Marshal(key)
			if err == nil {
				_, err = fmt.Fprintf(w, "%s%s:%s", separator, name, document)
				separator = ",\n"
			}
			return err
		})
		if err == nil {
			_, err = w.WriteString("\n}\n")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := writeProgram(dir, "lambda.mjs", "index.mjs"); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "config.json")
	if _, err := os.Stat(config); err == nil {
		return report, nil // the operator's own by now
	}
	address := l.IngestURL
	if address == "" {
		address = "https://SLUICE/ingest/clicks"
	}
	text, err := json.MarshalIndent(map[string]any{"ingestURL": address, "documentsURL": "", "cacheSeconds": 60, "clickMilliseconds": 50}, "", "  ")
	if err != nil {
		return nil, err
	}
	return report, writeText(config, 0o644, append(text, '\n'))
}

// CloudFront writes what a CloudFront Function with a key-value store is made of: the function,
// and the documents as an import of the store. It is a target of package export.
type CloudFront struct{}

// Limits of CloudFront's key-value store, in bytes.
const (
	kvsValueMax = 1 << 10
	kvsKeyMax   = 512
	kvsTotalMax = 5 << 20
)

// Export writes the folder.
func (CloudFront) Export(ctx context.Context, from *export.Source, _ time.Time, dir string) (*export.Report, error) {
	report := &export.Report{}
	source := *from
	source.Links = func(yield func(*affiliate.Link, error) bool) {
		for l, err := range from.Links {
			if err == nil {
				cannot(report, l)
			}
			if !yield(l, err) {
				return
			}
		}
	}
	total := 0
	err := export.WriteFile(filepath.Join(dir, "kvs.json"), 0o644, func(w *bufio.Writer) error {
		separator := `{"data":[` + "\n"
		err := Documents(ctx, &source, report, func(key string, document []byte) error {
			switch total += len(key) + len(document); {
			case len(document) > kvsValueMax || len(key) > kvsKeyMax:
				report.Add(tooLarge(key, fmt.Sprintf("its document has %d bytes, and the store takes %d", len(document), kvsValueMax)))
				return nil
			case total > kvsTotalMax:
				report.Add(tooLarge(key, "the store is full: it takes 5 MB"))
				return nil
			}
			entry, err := json.Marshal(map[string]string{"key": key, "value": string(document)})
			if err == nil {
				_, err = fmt.Fprintf(w, "%s%s", separator, entry)
				separator = ",\n"
			}
			return err
		})
		if err == nil {
			_, err = w.WriteString("\n]}\n")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return report, writeProgram(dir, "cloudfront.js", "function.js")
}

func tooLarge(key, why string) export.Shortfall {
	return export.Shortfall{Slug: key, What: "a document that the store does not take", Consequence: "it is left out, and visitors get the site's default: " + why}
}

// cannot reports what the function leaves out, because it may have no more than 10 KB.
func cannot(report *export.Report, l *affiliate.Link) {
	add := func(rule, what, consequence string) {
		report.Add(export.Shortfall{Link: l.ID, Site: l.Site, Slug: l.Slug, Rule: rule, What: what, Consequence: consequence})
	}
	if l.DeepLink {
		add("", "deep links", "?url= is not looked at, and the destination answers")
	}
	if !l.Query.IsZero() {
		add("", "handed-on parameters", "parameters of the visit are dropped")
	}
	for i := range l.Slug {
		if l.Slug[i] >= 0x80 {
			add("", "names beyond ASCII", "the name is found as it is written, not in every spelling that Unicode has for it")
			break
		}
	}
	for i := range l.Rules {
		for j := range l.Rules[i].When {
			if l.Rules[i].When[j].On == affiliate.OnTime {
				add(l.Rules[i].ID, "the time of the day", "the rule never applies")
				break
			}
		}
	}
}
