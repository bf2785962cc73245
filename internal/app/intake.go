package app

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/ingest"
	"github.com/sluicehq/sluice/internal/journal"
	"github.com/sluicehq/sluice/internal/metrics"
)

// ingestTimeout is how long a sender may take with a batch, and ingestAnswerTimeout how long
// after that with the answer, which waits for the disk.
const (
	ingestTimeout       = 20 * time.Second
	ingestAnswerTimeout = 20 * time.Second
)

// intake is where clicks from elsewhere come in. Their keys are derived from one beside
// the database, as those of postbacks are.
type intake struct {
	*ingest.Intake
	keys    *keys
	timeout time.Duration // of a body
}

// openIntake needs the data plane: a lane of its own, and the table.
func (a *App) openIntake() error {
	if !a.hasOffice() {
		return nil
	}
	if _, err := a.keys.ring(ingestKeys); err != nil {
		return err
	}
	in := &intake{keys: a.keys, timeout: cmp.Or(a.options.batchPatience, ingestTimeout)}
	in.Intake = ingest.New(ingest.Options{
		Table: a.plane.tables.Current, Journal: intakeLane{a.plane.intakeLane()}, Anonymous: a.plane.redirector.Anonymous,
		Keys: func(ctx context.Context, site string, number int) ([]byte, error) {
			return a.ingestKey(ctx, in, site, number)
		},
		SiteOfLink: a.siteOfLink, AgeMax: time.Duration(a.config.Ingest.MaxAge), Now: a.options.Now, Logger: a.options.Logger,
	})
	a.intake = in
	return nil
}

// Key is api.Ingest's.
func (in *intake) Key(site string, number int) []byte {
	h := hmac.New(sha256.New, in.keys.secret(ingestKeys))
	_, _ = fmt.Fprintf(h, "sluice ingest key\n%s\n%d", site, number)
	return h.Sum(nil)
}

// ingestKey is the key of a site, if the site's document accepts it.
func (a *App) ingestKey(ctx context.Context, in *intake, id string, number int) ([]byte, error) {
	o := a.office.get()
	if o == nil {
		return nil, affiliate.Errorf(affiliate.Unavailable, "the back office is not open")
	}
	site, err := o.catalog.Site(ctx, id)
	if err != nil {
		return nil, err
	}
	if !site.IngestKeys().Accepts(number) {
		return nil, affiliate.Errorf(affiliate.NotFound, "the site %q has no key %d", id, number)
	}
	return in.Key(site.ID, number), nil
}

// siteOfLink says whose a link is, "" for one that is gone.
func (a *App) siteOfLink(ctx context.Context, id int64) (string, error) {
	o := a.office.get()
	if o == nil {
		return "", affiliate.Errorf(affiliate.Unavailable, "the back office is not open")
	}
	link, err := o.catalog.Link(ctx, id)
	if affiliate.CodeOf(err) == affiliate.NotFound {
		return "", nil
	}
	return link.Site, err
}

// intakeLane refuses a batch as a whole while its journal has no room: what does not fit is no
// loss, as its sender keeps it, and is not counted as one.
type intakeLane struct{ *journal.Journal }

// AppendAll is ingest.Journal's.
func (l intakeLane) AppendAll(records [][]byte) (int, error) {
	if s := l.Stats(); s.Trouble != "" {
		return 0, fmt.Errorf("the journal has no room: %s", s.Trouble)
	}
	return l.Journal.AppendAll(records)
}

// serveIntake answers what is sent to it, with bounds on the time of the body and the answer: the
// listener's own are for visits, who send no body.
func (a *App) serveIntake(w http.ResponseWriter, r *http.Request) {
	control, now := http.NewResponseController(w), time.Now()
	_ = control.SetReadDeadline(now.Add(a.intake.timeout)) // not every connection has one
	_ = control.SetWriteDeadline(now.Add(a.intake.timeout + ingestAnswerTimeout))
	a.intake.ServeHTTP(w, r)
}

// skewWarning is how far a sender's clock may be from ours before an operator is told; beyond
// ingest.SkewMax its batches are refused.
const skewWarning = time.Minute

func (a *App) intakeStatus(s *statusReport) {
	if a.intake == nil {
		return
	}
	in := a.intake.Stats()
	s.Ingest = &api.IngestStatus{Taken: in.Taken, Refused: in.Refused, Lost: in.Lost, Requests: in.Requests, Unsigned: in.Unsigned, Busy: in.Busy, Unstored: in.Unstored, Keys: []api.IngestSender{}}
	if c, ok := a.collected(); ok {
		s.Ingest.Duplicates = c.Duplicates
	}
	for _, k := range in.Senders {
		name := fmt.Sprintf("%s.%d", k.Site, k.Number)
		s.Ingest.Keys = append(s.Ingest.Keys, api.IngestSender{Key: name, Clicks: k.Clicks, Last: k.Last, SkewSeconds: k.Skew.Seconds(), Newest: k.Newest})
		if k.Skew.Abs() > skewWarning {
			s.warn(fmt.Sprintf("the clock of who sends clicks with the key %s is %.0f s off", name, math.Abs(k.Skew.Seconds())), "",
				fmt.Sprintf("set it, or this machine's; beyond %s its clicks are refused", ingest.SkewMax))
		}
	}
	if in.Lost > 0 {
		s.warn(fmt.Sprintf("edge workers say that they have lost %d clicks since this process began", in.Lost), "", "their visitors were redirected; their own logs say why")
	}
}

func (a *App) intakeReading() *metrics.Intake {
	if a.intake == nil {
		return nil
	}
	s := a.intake.Stats()
	m := &metrics.Intake{Taken: s.Taken, RefusedLines: s.Refused, Lost: s.Lost, Requests: s.Requests, Unsigned: s.Unsigned, Busy: s.Busy, Unstored: s.Unstored}
	for _, k := range s.Senders {
		m.Senders = append(m.Senders, metrics.Sender{Site: k.Site, Key: fmt.Sprint(k.Number), Clicks: k.Clicks, Skew: k.Skew, Last: k.Last, Newest: k.Newest})
	}
	return m
}
