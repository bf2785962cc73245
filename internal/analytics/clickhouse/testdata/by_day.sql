CREATE DATABASE IF NOT EXISTS sluice;

CREATE TABLE IF NOT EXISTS sluice.schema (version UInt32, at DateTime DEFAULT now()) ENGINE = MergeTree() ORDER BY version;

CREATE TABLE IF NOT EXISTS sluice.clicks (
	minute UInt64,
	time UInt64,
	id_middle UInt16,
	id_low UInt64,
	version UInt64,
	visitor_high UInt32,
	visitor_low UInt64,
	link Int64,
	valid UInt8,
	is_unique UInt8,
	is_bot UInt8,
	is_ahead UInt8,
	duplicate UInt8,
	outcome UInt8,
	verdict UInt8,
	device UInt8,
	code UInt16,
	fetch UInt16,
	why UInt32,
	signals UInt32,
	reasons UInt32,
	asn UInt32,
	ip String,
	site String,
	host String,
	slug String,
	program String,
	partner String,
	variant String,
	rule String,
	page String,
	url String,
	url_id UInt32,
	agent String,
	browser String,
	browser_version String,
	os String,
	bot_name String,
	bot_class String,
	referrer String,
	referrer_host String,
	language String,
	country String,
	network String,
	query String,
	sub1 String,
	sub2 String,
	sub3 String,
	sub4 String,
	sub5 String,
	sub6 String,
	sub7 String,
	sub8 String,
	sub9 String,
	sub10 String
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(toDateTime(least(intDiv(time, 1000), 4294967295), 'UTC'))
ORDER BY (minute, link, time, id_middle, id_low);

CREATE TABLE IF NOT EXISTS sluice.links (link Int64, slug String, at UInt64) ENGINE = ReplacingMergeTree(at) ORDER BY link;

CREATE TABLE IF NOT EXISTS sluice.appends (source String, number UInt64, tag UInt64, kind UInt8, position_from String, position_to String, firsts Array(UInt64), lasts Array(UInt64), at DateTime DEFAULT now()) ENGINE = MergeTree() PARTITION BY toYYYYMMDD(at) ORDER BY (source, number) SETTINGS index_granularity = 256;

ALTER TABLE sluice.clicks DELETE WHERE ((minute >= 29394000 AND minute <= 29394000)) AND (time, id_middle, id_low, version) IN ((1763640000000,1,2,3),(1763640000000,1,2,3));
