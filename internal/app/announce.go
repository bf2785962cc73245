package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// firstUser is who administers a new installation.
const firstUser = "admin"

// announce tells the person at the terminal where everything is.
func (a *App) announce(ctx context.Context, l *listeners) {
	admin := "http://" + dialable(l.address("admin"))
	a.printf("Sluice %s is running. Ctrl-C stops it in good order.\n\n", a.options.Version)
	if a.answersVisitors() {
		a.printf("  links        http://%s/go/NAME\n", a.plane.address(a.config.Listen))
	}
	if secure := l.address("tls"); secure != "" {
		a.printf("  over TLS     https://%s/go/NAME\n", dialable(secure))
	}
	if !a.hasOffice() {
		a.printf("  health       %s/healthz\n  data         %s\n\n", admin, a.folder.path)
		switch {
		case !a.answersVisitors():
			a.printf("This process brings clicks from the broker into the reports.\n\n")
		case a.ships():
			a.printf("This process only answers visitors, from the %d links of its table. Their clicks go to the broker.\n\n", a.plane.tables.Current().Links())
		default:
			a.printf("This process only answers visitors, from the %d links of the saved table. Their clicks wait in the journal.\n\n", a.plane.tables.Current().Links())
		}
		return
	}
	a.printf("  dashboard    %s/\n", admin)
	code, err := a.firstLogin(ctx)
	switch {
	case err != nil:
		a.options.Logger.Error("the first login could not be made", "reason", err)
	case code != "":
		a.printf("  first login  %s/login?code=%s\n               (works once, within a day; afterwards choose a password)\n", admin, code)
	}
	a.printf("  data         %s\n\n", a.folder.path)
}

func (a *App) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(a.options.Out, format, args...) // nobody may be reading
}

// firstLogin makes a one-time code as long as the first user has no password.
// Whoever can read this process's output may administer it.
func (a *App) firstLogin(ctx context.Context) (code string, err error) {
	o := a.office.get()
	if o == nil {
		return "", nil
	}
	user, err := o.accounts.User(ctx, firstUser)
	if affiliate.CodeOf(err) == affiliate.NotFound {
		users, listErr := o.accounts.Users(ctx)
		if listErr != nil || len(users) > 0 {
			return "", errors.Join(listErr)
		}
		user, err = o.accounts.CreateUser(ctx, firstUser, "", true)
	}
	if err != nil || user.HasPassword {
		return "", err
	}
	return o.accounts.IssueCode(ctx, firstUser)
}

// address is where a door really listens.
func (l *listeners) address(name string) string {
	for _, d := range l.list() {
		if d.name == name {
			return d.address.String()
		}
	}
	return ""
}
