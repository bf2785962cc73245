package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/config"
)

// Exit codes, the same for every verb.
const (
	exitFine     = 0
	exitProblems = 1 // it ran and found something wrong
	exitFailed   = 2 // it could not run
)

// program is what a verb gets from the outside, and the flags that all share.
type program struct {
	in          io.Reader
	out, errOut io.Writer
	environ     []string
	outIsTerm   bool
	errIsTerm   bool
	now         func() time.Time

	data       string
	configFile string
}

func fromProcess() *program {
	return &program{
		in: os.Stdin, out: os.Stdout, errOut: os.Stderr, environ: os.Environ(), now: time.Now,
		outIsTerm: term.IsTerminal(int(os.Stdout.Fd())), errIsTerm: term.IsTerminal(int(os.Stderr.Fd())),
	}
}

// problems ends a verb with exitProblems. What was found has been printed when
// the text is empty.
type problems struct{ text string }

func (p problems) Error() string { return p.text }

// failure ends a verb with exitFailed, whatever the error's code says.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// couldNotRun is for verbs in which a bad value is the command line's and not
// something found.
func couldNotRun(err error) error {
	if err == nil {
		return nil
	}
	return failure{err}
}

// run executes a command line and returns the exit code.
func run(ctx context.Context, p *program, args []string) int {
	root := newRoot(p)
	root.SetArgs(args)
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitFine
	}
	if text := err.Error(); text != "" {
		_, _ = fmt.Fprintln(p.errOut, "sluice: "+text)
	}
	return exitCode(err)
}

// exitCode tells what was found from what kept the command from running.
func exitCode(err error) int {
	var found problems
	var failed failure
	switch {
	case errors.As(err, &found):
		return exitProblems
	case errors.As(err, &failed):
		return exitFailed
	}
	switch affiliate.CodeOf(err) {
	case affiliate.Invalid, affiliate.NotFound, affiliate.Conflict, affiliate.Stale:
		return exitProblems
	}
	return exitFailed
}

func newRoot(p *program) *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "Managed affiliate links that stay fast and lose no click",
		Long: `Sluice serves managed affiliate links, such as /go/the-thing, and follows each
click until its commission is paid.

On the server's own machine the commands talk to the running server through its
data folder (--data), or work on the folder themselves when no server runs. For
a server elsewhere set SLUICE_URL to its admin address and SLUICE_TOKEN to a
token from "sluice token add".

Every command exits with 0 when all is fine, 1 when it found problems, and 2
when it could not run.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&p.data, "data", config.Default().Data, "data `folder`")
	root.PersistentFlags().StringVar(&p.configFile, "config", "", "configuration `file` (or SLUICE_CONFIG)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see: %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(newServe(p), newLink(p), newReport(p), newConversion(p), newBalance(p), newPayout(p), newRates(p), newWebhook(p), newExport(p), newIngest(p), newJournal(p), newCluster(p),
		newMigrate(p), newDoctor(p), newDemo(p), newLogin(p), newToken(p), newVersion(p))
	checkArguments(root)
	return root
}

// checkArguments makes every verb say what to do about wrong arguments, and every
// group of verbs refuse a word that is none of them, where cobra would print the
// help and call it a success.
func checkArguments(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		checkArguments(c)
	}
	if cmd.HasSubCommands() {
		cmd.Args = refuseStrayWord
		cmd.SuggestionsMinimumDistance = 2 // edits between a slip and what was meant
		if cmd.RunE == nil {               // report alone does something by itself
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
		return
	}
	check := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return fmt.Errorf("%w; see: %s --help", err, cmd.CommandPath())
		}
		return nil
	}
}

func refuseStrayWord(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf("; did you mean %s?", near[0])
	}
	return fmt.Errorf("%q is not a command of %q%s; see: %s --help", args[0], cmd.CommandPath(), hint, cmd.CommandPath())
}

// settings reads the configuration with the flags of the command line.
func (p *program) settings(cmd *cobra.Command, flags ...string) (config.Config, error) {
	from := config.Source{File: p.configFile, Environ: p.environ, Flags: map[string]string{}}
	if from.File == "" {
		from.File = p.getenv("SLUICE_CONFIG")
	}
	for _, name := range append(flags, "data") {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			from.Flags[name] = f.Value.String()
		}
	}
	return config.Load(from)
}

func (p *program) getenv(name string) string {
	for _, pair := range p.environ {
		if len(pair) > len(name) && pair[:len(name)] == name && pair[len(name)] == '=' {
			return pair[len(name)+1:]
		}
	}
	return ""
}

func (p *program) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, format, args...) // a closed pipe is the reader's choice
}

// notef tells people what machines need not read.
func (p *program) notef(format string, args ...any) {
	_, _ = fmt.Fprintf(p.errOut, format+"\n", args...)
}
