package geo

import "github.com/oschwald/maxminddb-golang/v2/mmdbdata"

// skip walks a record to its end without keeping anything, which is how a
// damaged record is told from one that merely lacks a key.
type skip struct{}

// UnmarshalMaxMindDB is called by the decoder.
func (*skip) UnmarshalMaxMindDB(d *mmdbdata.Decoder) error { return d.SkipValue() }

var _ mmdbdata.Unmarshaler = (*skip)(nil)
