package app

import (
	"fmt"
	"net/http"
	"net/http/pprof" // its own registration, in a mux that nobody serves, does no harm
	"strconv"

	"github.com/sluicehq/sluice/internal/api"
)

// profileSecondsMax bounds a profile that takes time.
const profileSecondsMax = 120

// handleProfiles adds Go's profiles for operators. There is no switch that opens
// them to others: a profile costs processor time and shows what is in memory.
func (a *App) handleProfiles(mux *http.ServeMux) {
	accounts := func() api.Accounts {
		if o := a.office.get(); o != nil {
			return o.accounts
		}
		return nil
	}
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /debug/pprof/": pprof.Index, "GET /debug/pprof/profile": bounded(pprof.Profile), "GET /debug/pprof/trace": bounded(pprof.Trace),
		"GET /debug/pprof/cmdline": pprof.Cmdline, "GET /debug/pprof/symbol": pprof.Symbol,
	} {
		mux.Handle(pattern, api.OperatorsOnly(accounts, a.options.Logger, h))
	}
}

// bounded refuses to measure for longer than is good for visitors.
func bounded(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if n, err := strconv.ParseFloat(r.FormValue("seconds"), 64); err == nil && n > profileSecondsMax {
			http.Error(w, fmt.Sprintf("ask for at most %d seconds", profileSecondsMax), http.StatusBadRequest)
			return
		}
		h(w, r)
	}
}
