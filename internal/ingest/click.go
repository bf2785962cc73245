// Package ingest takes in clicks that were made elsewhere, by an edge worker or by nginx.
// They are stored in the journal before they are acknowledged, and counted once.
package ingest

// Click is a click as it travels from where it was made: a line of nginx's JSON log, or one of
// an edge worker's batch. It is what the visitor sent and what was answered; "" is absent.
// ID and Host must be there. Without an Outcome the name has yet to be resolved.
type Click struct {
	ID     string `json:"id"`     // affiliate.ParseClickID
	Host   string `json:"host"`   // as asked
	Path   string `json:"path"`   // as sent, percent-encoded, without the query
	Query  string `json:"query"`  // as sent, without "?"
	Method string `json:"method"` // GET or HEAD
	Proto  string `json:"proto"`  // HTTP/1.1
	Scheme string `json:"scheme"` // http or https

	Outcome string `json:"outcome"` // affiliate.Outcome.String
	Code    int    `json:"code"`    // of the answer; nginx spells it as a string
	Why     string `json:"why"`     // affiliate.WhyNames, with commas; a list in JSON is read too
	URL     string `json:"url"`     // where the visitor was sent
	Link    int64  `json:"link"`    // 0 for none; nginx spells it as a string
	Site    string `json:"site"`
	Slug    string `json:"slug"`
	Program string `json:"program"`
	Partner string `json:"partner"`
	Variant string `json:"variant"`
	Rule    string `json:"rule"`
	Page    string `json:"page"`

	Visitor       string `json:"visitor"`        // affiliate.ParseVisitorID
	Returning     bool   `json:"returning"`      // came with a cookie; "1" is true
	CookieRefused bool   `json:"cookie_refused"` // came with one that we have not signed; "1" is true
	IP            string `json:"ip"`
	Country       string `json:"country"` // ISO 3166-1 alpha-2, as the sender knows it

	// Headers as sent.
	Agent      string `json:"agent"`
	Referrer   string `json:"referrer"`
	Language   string `json:"language"`
	Accept     string `json:"accept"`
	DNT        string `json:"dnt"`
	GPC        string `json:"gpc"`
	SecPurpose string `json:"sec_purpose"`
	Purpose    string `json:"purpose"`
	XPurpose   string `json:"x_purpose"`
	XMoz       string `json:"x_moz"`
	FetchDest  string `json:"fetch_dest"`
	FetchMode  string `json:"fetch_mode"`
	FetchSite  string `json:"fetch_site"`
	FetchUser  string `json:"fetch_user"`
	Hints      string `json:"hints"`       // Sec-CH-UA
	HintMobile string `json:"hint_mobile"` // Sec-CH-UA-Mobile
}
