package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is set by the linker for released builds.
var release string

// version of this program: the release, or the commit it was built from.
func version() string {
	if release != "" {
		return release
	}
	if commit := commit(); commit != "" {
		return "dev-" + commit[:min(12, len(commit))]
	}
	return "dev"
}

func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

func newVersion(p *program) *cobra.Command {
	cmd := &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs}
	format := formatFlag(cmd, "table", "json")
	cmd.RunE = func(*cobra.Command, []string) error {
		if format.value == "json" {
			return printJSON(p.out, map[string]string{"version": version(), "commit": commit(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
		}
		p.printf("sluice %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return nil
	}
	return cmd
}
