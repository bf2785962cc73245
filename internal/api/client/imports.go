package client

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/sluicehq/sluice/internal/api"
)

// followImport reads what a server tells of an import until it is done: a line of JSON for
// each bad entry, now and then how far it is, and at last a report or an error. Neither bad nor
// progress need be given. cutOff is what to do when the last line is missing.
func followImport[Report, Bad any](body io.Reader, bad func(Bad) error, progress func(int64), cutOff string) (*Report, error) {
	decoder := json.NewDecoder(bufio.NewReader(body))
	for {
		var event struct {
			Progress *int64
			Bad      *Bad
			Report   *Report
			Error    *api.Problem
		}
		err := decoder.Decode(&event)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, errors.New(cutOff)
		}
		if err != nil {
			return nil, fmt.Errorf("the server's answer cannot be read: %w", err)
		}
		switch {
		case event.Report != nil:
			return event.Report, nil
		case event.Error != nil:
			return nil, errorOfProblem(event.Error)
		case event.Bad != nil && bad != nil:
			if err := bad(*event.Bad); err != nil {
				return nil, err
			}
		case event.Progress != nil && progress != nil:
			progress(*event.Progress)
		}
	}
}
