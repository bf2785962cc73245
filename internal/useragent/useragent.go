// Package useragent reads User-Agent headers, twice.
//
// Class is for the request: it tells the class of the device, or that a program
// is asking, in a fraction of a microsecond and without allocating, by rules so
// plain that the edge worker can repeat them.
//
// Parser is for the pipeline, after the answer has left: it adds browser,
// system, versions and the bot's name, and keeps what it read, because a
// hundred strings make most of a site's traffic. Its Device is always what
// Class says, so that reports and rules never disagree.
//
// A user agent is what the visitor claims. Nothing here checks a claim.
package useragent
