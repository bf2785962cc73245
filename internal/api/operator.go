package api

import (
	"log/slog"
	"net/http"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// ByOperator says whether a request came through AsOperator.
func ByOperator(r *http.Request) bool { return r.Context().Value(operatorKey{}) != nil }

// OperatorsOnly lets through to h who comes through AsOperator, or shows the session
// or the token of an operator that may write. accounts returns nil while they
// cannot be asked; then only the former are let through.
func OperatorsOnly(accounts func() Accounts, logger *slog.Logger, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &server{Options: Options{Accounts: accounts()}, logger: logger}
		err := s.admitOperator(r)
		if err != nil {
			writeProblem(w, s.problemOf(r.Context(), err))
			return
		}
		h.ServeHTTP(w, r)
	})
}

func (s *server) admitOperator(r *http.Request) error {
	if s.Accounts == nil && !ByOperator(r) {
		return affiliate.Errorf(affiliate.Unavailable, "who you are cannot be found out for now; ask over the socket in the data folder")
	}
	c, err := s.identify(r.Context(), r)
	if err != nil {
		return err
	}
	if err := c.may(operator); err != nil {
		return err
	}
	return checkOrigin(operator, c, r)
}
