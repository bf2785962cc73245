package app

import (
	"encoding/json"
	"net/http"

	"github.com/sluicehq/sluice/internal/api"
)

// handleOperations adds what machines ask to see how the process is doing.
func (a *App) handleOperations(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", a.healthz)
	mux.HandleFunc("GET /readyz", a.readyz)
	mux.Handle("GET /metrics", a.metricsHandler())
	a.handleProfiles(mux)
}

// health is the answer of /healthz.
type health struct {
	OK     bool        `json:"ok"`
	Alarms []api.Alarm `json:"alarms"`
	Links  int         `json:"links"`
	Lost   int64       `json:"lost_clicks"`
}

// healthz says that the process lives, and what is wrong. The status is 200 even
// with an alarm: whoever asks for it kills what does not answer well, and no alarm
// of ours is mended by killing a process that still redirects. When visitors cannot
// be answered any more, the process ends by itself.
func (a *App) healthz(w http.ResponseWriter, _ *http.Request) {
	alarms := a.alarms()
	answerJSON(w, http.StatusOK, health{
		OK: len(alarms) == 0, Alarms: alarms, Links: a.plane.tables.Current().Links(), Lost: a.lostClicks(),
	})
}

// readiness is the answer of /readyz.
type readiness struct {
	OK     bool   `json:"ok"`
	Links  int    `json:"links"`
	Office string `json:"office"` // open, starting, closed, none
	Reason string `json:"reason,omitempty"`
}

// readyz says whether visitors should be sent here. Their listener is open before
// the one that answers this. At a start the back office is waited for, because the
// table may be behind it; when it cannot be opened, the saved table serves.
func (a *App) readyz(w http.ResponseWriter, _ *http.Request) {
	r := readiness{Links: a.plane.tables.Current().Links()}
	switch {
	case a.followsLinks():
		r.OK, r.Office = true, "none"
		if a.isShared() && a.plane.tables.Current().Seq() == 0 {
			r.OK, r.Reason = false, "links have not arrived yet"
		} else if a.isShared() && a.seal != nil && !a.keysShared.Load() {
			r.OK, r.Reason = false, "the keys of visitors' cookies have not arrived yet"
		}
	case !a.hasOffice():
		if r.OK, r.Office = a.reports.get() != nil, "none"; !r.OK {
			r.Reason = "the way from the broker to the reports is not open yet"
		}
	case a.office.get() != nil:
		r.OK, r.Office = true, "open"
	case a.office.fault() == "":
		r.Office = "starting"
	default:
		r.OK, r.Office, r.Reason = r.Links > 0, "closed", a.office.fault()
	}
	status := http.StatusOK
	if !r.OK {
		status = http.StatusServiceUnavailable
	}
	answerJSON(w, status, r)
}

func answerJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who asked may be gone
}
