// Package archtest keeps the shape of the house: who may import whom, which
// library belongs to which room, and a few habits of the source that the
// compiler does not know. It holds tests only. The rules are the tables of
// table_test.go and habits_test.go, each row with its reason; docs/architecture.md
// draws the same picture. Where the code shows a better one, change both.
package archtest
