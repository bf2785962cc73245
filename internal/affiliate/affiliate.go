// Package affiliate holds the nouns of the business and their rules: a Site
// serves Links, a Visit of a link becomes a Decision, a followed decision
// becomes a Click, and a click may one day earn a Commission from a Program.
//
// Everything here is a value. The package performs no I/O, reads no clock and
// keeps no state, so that the redirect, the pipeline, the dashboard and the
// tests all speak of the same things in the same words.
package affiliate
