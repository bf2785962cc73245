package api

import (
	"github.com/sluicehq/sluice/internal/affiliate"
)

func anyOf[T any](values ...T) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

var (
	statusField = field{doc: "State. Paused and archived things serve nobody; archived ones are kept for their history.", example: "active",
		values: anyOf("active", "paused", "archived")}
	versionField = field{doc: "Grows by one with each change; it is the ETag.", example: 3, server: true}
	whenField    = field{doc: "All of them must hold. None: every visit."}
)

// linkFields are those of a link, read or written.
//
// The framework compares what it decoded, so numbers are floats here.
var linkFields = map[string]field{
	"id":           {doc: "Number of the link, given once and never again.", example: 17, server: true},
	"site":         {doc: "Site that serves the link. May be left out when there is only one. Another one moves the link.", example: "blog"},
	"slug":         {doc: "The managed name, as in /go/kettle. Letters, digits, - _ . ~ and / between parts; letter case is ignored.", example: "kettle"},
	"status":       statusField,
	"starts_at":    {doc: "From when on the link leads to its destinations; before, its fallback answers."},
	"ends_at":      {doc: "Until when the link leads to its destinations; from then on, its fallback answers."},
	"cap":          {doc: "How many clicks the link may send to its destinations. Once they are counted, its fallback answers until the period ends. Absent: any number."},
	"cap_reached":  {doc: "There while the cap closes the link.", server: true},
	"destinations": {doc: "Where visitors are sent, shared by weight; the same visitor always gets the same one."},
	"rules":        {doc: "Tried in order; the first whose conditions all hold replaces the destinations."},
	"fallback":     {doc: "Where visitors are sent while the link is paused, archived, outside of its schedule or at its cap. Empty: the site's default.", example: "https://blog.example/deals"},
	"code":         {doc: "HTTP status of the redirect. Browsers keep 301 and 308 for good.", example: 302, values: anyOf(302.0, 307.0, 301.0, 308.0)},
	"program":      {doc: "Program that pays for the link's visitors.", example: "acme"},
	"partner":      {doc: "Partner that is credited when the visit names none.", example: "mia"},
	"query":        {doc: "Which query parameters of a visit are handed on."},
	"deep_link":    {doc: "Whether ?url= may choose a page on the program's allowed hosts."},
	"sub_id":       {doc: "How the click is named to the merchant, instead of the program's way."},
	"block_bots":   {doc: "Answer declared bots with 403 instead of the destination."},
	"tags":         {doc: "Words to find links by.", example: []string{"kitchen"}},
	"page":         {doc: "Page of the content where the link stands.", example: "/reviews/kettles"},
	"note":         {doc: "Free text for the people who run the site."},
	"version":      versionField,
	"created_at":   {doc: "When the link was added.", server: true},
	"updated_at":   {doc: "When the link was last changed.", server: true},
}

var siteFields = map[string]field{
	"id":          {doc: "Handle of the site in documents, reports and commands. It cannot change.", example: "blog"},
	"name":        {doc: "Name for people.", example: "The Kitchen Blog"},
	"hosts":       {doc: "Host names that the site answers for. One site may have none: it answers for every host that no other site names.", example: []string{"blog.example"}},
	"prefix":      {doc: "What stands before every name; / serves bare names.", example: affiliate.DefaultPrefix},
	"default_url": {doc: "Where unknown names are sent. Empty: they get a 404 page.", example: "https://blog.example/deals"},
	"ingest_keys": {doc: "Numbers of the keys that sign its clicks from elsewhere. They are changed by operations of their own; left out, they stay as they are."},
	"version":     versionField,
}

var programFields = map[string]field{
	"id":            {doc: "Handle of the program. It cannot change.", example: "acme"},
	"name":          {doc: "Name for people.", example: "Acme Kitchenware"},
	"network":       {doc: "Network whose rules for sub-IDs and terms apply. Empty: recognised by the destination's host.", example: "awin", values: networks()},
	"status":        statusField,
	"partner_param": {doc: "Query parameter that names a partner.", example: affiliate.DefaultPartnerParam},
	"deep_link":     {doc: "Which pages of the merchant a visitor may be sent to by ?url=."},
	"sub_id":        {doc: "How clicks are named to the merchant."},
	"policy":        {doc: "What the program's terms forbid, instead of what is known of the network."},
	"merchant":      {doc: "Name of whose shop it is; several programs may be one merchant's.", example: "Acme Ltd."},
	"side":          {doc: "earns: the merchant or network pays us. pays: the shop is ours, and we pay partners.", example: "earns", values: anyOf("earns", "pays")},
	"settlement":    {doc: "How clicks become money. Absent: no books are kept of the program. Once there, it cannot be removed."},
	"version":       versionField,
}

var partnerFields = map[string]field{
	"program": {doc: "Program that pays the partner. It cannot change.", example: "acme"},
	"code":    {doc: "What names the partner in addresses, as in ?ref=mia. It cannot change.", example: "mia"},
	"name":    {doc: "Name for people.", example: "Mia's Kitchen"},
	"status":  statusField,
	"coupons": {doc: "Codes of the shop that credit the partner. Letter case is ignored; no two partners of a program share one.", example: []string{"MIA10"}},
	"terms": {doc: "Terms of the partner's own, instead of the program's from the first of them on. What is in force cannot be changed or removed; " +
		"terms are added from now on."},
	"payout_method": {doc: "How the partner gets its money. Only operators see it."},
	"version":       versionField,
}

var tokenFields = map[string]field{
	"id":         {doc: "Id of the token."},
	"user":       {doc: "Whose token it is.", example: "admin"},
	"name":       {doc: "What the token is for.", example: "nightly export"},
	"prefix":     {doc: "How the secret begins, to recognise it by.", example: "sluice_7cbf2k"},
	"scopes":     {doc: "What the token allows; write includes read.", values: anyOf("read", "write")},
	"created_at": {doc: "When it was made."},
	"expires_at": {doc: "When it ends. Absent: when it is deleted."},
	"used_at":    {doc: "When it was last used, to within ten minutes. Absent: never."},
}

var permission = anyOf("", string(affiliate.Allowed), string(affiliate.Denied))

// schemaWords complete the schemas by name.
var schemaWords = map[string]words{
	"Link": {doc: "A managed name and everything that decides where it leads.", fields: linkFields,
		required: []string{"id", "site", "slug", "status", "destinations", "code", "version", "created_at", "updated_at"}},
	"LinkInput":    {doc: "What may be written of a link.", fields: linkFields, required: none},
	"Site":         {doc: "A place on the web that serves links.", fields: siteFields, required: []string{"id", "prefix", "version"}},
	"SiteInput":    {doc: "What may be written of a site.", fields: siteFields, required: none},
	"Program":      {doc: "An agreement with a merchant that links belong to.", fields: programFields, required: []string{"id", "status", "partner_param", "version"}},
	"ProgramInput": {doc: "What may be written of a program.", fields: programFields, required: none},
	"SiteKeys": {doc: "Numbers of the keys that sign a site's clicks from elsewhere.", fields: map[string]field{
		"current": {doc: "The newest key.", example: 2},
		"old":     {doc: "Keys before it that are still accepted.", example: []int{1}},
	}},
	"Partner":      {doc: "Somebody who sends visitors to a program that we pay.", fields: partnerFields, required: []string{"program", "code", "status", "version"}},
	"PartnerInput": {doc: "What may be written of a partner.", fields: partnerFields, required: none},
	"Token":        {doc: "An API token without its secret.", fields: tokenFields},
	"NewToken":     {doc: "An API token with its secret.", fields: tokenFields},
	"User": {doc: "Somebody who may log in.", fields: map[string]field{
		"name":         {doc: "Name to log in with.", example: "mia"},
		"operator":     {doc: "Whether sites, programs, partners and users may be changed too."},
		"has_password": {doc: "Whether the user can log in with a password."},
		"created_at":   {doc: "When the user was added."},
		"version":      versionField,
	}},
	"ClickCap": {doc: "A limit of clicks, counted as the reports count them. It is exceeded by what visitors click in the seconds until that is noticed.", required: none, fields: map[string]field{
		"clicks": {doc: "How many of one period, from 1 on. Both clicks and per must be there in the end; a patch may change one of them.", example: 1000},
		"per":    {doc: "The period, after which the count begins anew; a total never ends.", example: "day", values: anyOf("hour", "day", "month", "total")},
		"zone":   {doc: "Where days and months begin. Empty: UTC.", example: "Europe/Berlin"},
	}},
	"CapReached": {doc: "Why a link is closed though its status is active.", fields: map[string]field{
		"at":     {doc: "When it was noticed."},
		"until":  {doc: "When the period ends and the link opens again. Absent: when the cap is raised or removed."},
		"clicks": {doc: "Clicks of the period that were known then.", example: 1003},
	}},
	"Destination": {doc: "A place that a link may lead to.", required: []string{"url"}, fields: map[string]field{
		"id":     {doc: "Name of the variant in clicks and reports; a, b, … by default.", example: "a"},
		"url":    {doc: "Address, with macros such as {click_id} or {sub1} in its path or query.", example: "https://shop.example/kettle?tag=blog"},
		"weight": {doc: "Share of the visitors, against the sum of all weights. A single destination needs none.", example: 1},
		"down":   {doc: "Out of use while its health check fails."},
	}},
	"Rule": {doc: "Sends the visits that meet all its conditions elsewhere.", required: []string{"destinations"}, fields: map[string]field{
		"id":           {doc: "Name of the rule in clicks and reports; rule1, rule2, … by default.", example: "germany"},
		"when":         whenField,
		"destinations": {doc: "Where these visits are sent."},
	}},
	"Condition": {doc: "One test of a visit. Which fields apply depends on on.", fields: map[string]field{
		"on":     {doc: "What is looked at.", example: "country", values: anyOf("country", "device", "language", "referrer", "query", "time", "date", "visitor")},
		"name":   {doc: "For query: the parameter.", example: "utm_source"},
		"in":     {doc: "One of these values: country codes; phone, tablet, desktop, tv, bot, other; languages; hosts or (none); values or *; new, returning.", example: []string{"DE", "AT"}},
		"not_in": {doc: "None of these values."},
		"zone":   {doc: "For time: the time zone.", example: "Europe/Berlin"},
		"days":   {doc: "For time: days of the week.", values: anyOf(affiliate.Days...)},
		"from":   {doc: "For time: from this time of day on.", example: "09:00"},
		"to":     {doc: "For time: until this time of day. Before from: over midnight.", example: "17:00"},
		"after":  {doc: "For date: from this instant on."},
		"before": {doc: "For date: before this instant."},
	}},
	"QueryPolicy": {doc: "Which query parameters of a visit are added to the destination.", fields: map[string]field{
		"mode":  {doc: "None (drop), all that Sluice does not read itself (pass), or those named (only).", example: "drop", values: anyOf("drop", "pass", "only")},
		"names": {doc: "For only: the parameters.", example: []string{"utm_source"}},
	}},
	"SubID": {doc: "How the click is named to the merchant.", fields: map[string]field{
		"param": {doc: "Query parameter of the destination that takes it.", example: "clickref"},
		"value": {doc: "Template of its value.", example: affiliate.DefaultSubID},
		"off":   {doc: "Send none."},
	}},
	"DeepLink": {doc: "Which pages of the merchant a visitor may be sent to by ?url=.", fields: map[string]field{
		"hosts": {doc: "Allowed hosts: https and the default port, unless written with them.", example: []string{"shop.example", "*.shop.example"}},
		"param": {doc: "Parameter of the network's click URL that takes the page. Empty: the page itself is the destination.", example: "ued"},
	}},
	"Policy": {doc: "What a program's terms forbid. Empty: what is known of the network.", fields: map[string]field{
		"redirect":       {doc: "Whether its links may stand behind a redirect.", values: permission},
		"visitor_sub_id": {doc: "Whether sub-IDs may differ between visitors.", values: permission},
	}},
	"Fault": {doc: "One thing wrong with one field.", fields: map[string]field{
		"field":   {doc: "Path of the field.", example: "destinations[0].url"},
		"message": {doc: "What is wrong and what to do."},
	}},
	"Problem": {doc: "An error (RFC 9457).", fields: map[string]field{
		"code": {doc: "What kind of error it is, for programs.", example: "invalid", values: anyOf("invalid", "not_found", "conflict", "stale",
			"forbidden", "unsigned", "unavailable", "too_large", codeMethod, codeMedia, codeInternal)},
	}},
	"BadLine": {doc: "An entry of a file that cannot be imported.", fields: map[string]field{
		"line":   {doc: "Line where it starts, counted from 1.", example: 42},
		"text":   {doc: "The entry as it stands in the file."},
		"reason": {doc: "What is wrong and what to do."},
	}},
	"Stats": {doc: "What the reports are made from.", fields: map[string]field{
		"engine": {doc: "Name of the engine.", example: "duckdb"},
		"clicks": {doc: "Clicks kept."},
		"first":  {doc: "Time of the oldest."},
		"last":   {doc: "Time of the newest."},
		"bytes":  {doc: "Size on disk."},
	}},
}

func networks() []any {
	return append(anyOf(""), anyOf(affiliate.PresetNames()...)...)
}
