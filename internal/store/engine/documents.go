package engine

import (
	"encoding/json"
	"fmt"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// DecodeLink reads the document of a link. When it is damaged, the *store.Failure names the place that kept it.
func DecodeLink(place string, body []byte) (link affiliate.Link, err error) {
	if err := json.Unmarshal(body, &link); err != nil {
		return link, damaged(place, "a link", err)
	}
	return link, nil
}

// DecodeReport reads the document of a report of the transaction tx, and fails as DecodeLink does.
func DecodeReport(place, tx string, body []byte) (report affiliate.Report, err error) {
	if err := json.Unmarshal(body, &report); err != nil {
		return report, damaged(place, "a report of "+tx, err)
	}
	return report, nil
}

func damaged(place, what string, err error) error {
	return &store.Failure{Place: place, Err: fmt.Errorf("%w: the document of %s is not JSON: %w", store.ErrCorrupt, what, err), Hint: "restore a backup"}
}

// EncodeReport is the document of a report, which is kept beside its keys. Invalid: the report cannot be kept.
func EncodeReport(r *store.Report) ([]byte, error) {
	if r.Digest == "" {
		return nil, affiliate.Errorf(affiliate.Invalid, "the report %q has no digest", r.ID)
	}
	body, err := json.Marshal(&r.Report)
	if err != nil {
		return nil, affiliate.Errorf(affiliate.Invalid, "the report %q cannot be written as JSON: %v", r.ID, err)
	}
	return body, nil
}
