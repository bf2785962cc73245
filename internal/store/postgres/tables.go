package postgres

// cohort is the moment at which reports count a conversion: of its click, or of its order where there is none.
const cohort = `(CASE click_at WHEN 0 THEN at ELSE click_at END)`

// firstTables makes everything that version 1 needs. Times are Unix milliseconds, 0 for none. Text is bytea, see
// the package's documentation; psql shows it readably after SET bytea_output = 'escape'.
//
// A balance at a moment is two look-ups: the last posting until then, and the last entry
// of the account until that posting, which carries the balance after it. It
// rests on postings never being dated before an earlier one, which the writers' lock and Post see to.
//
// Triggers keep the ledger as it is, also from other programs. There are no foreign keys: each entry
// would lock the row of its account, which writes that row again, and all rows come from one statement of Post.
const firstTables = `CREATE TABLE documents (
		kind    bytea NOT NULL,
		key     bytea NOT NULL,
		body    bytea NOT NULL,
		expires bigint NOT NULL DEFAULT 0,  -- 0: never
		PRIMARY KEY (kind, key)
	);
	CREATE INDEX documents_expires ON documents (expires) WHERE expires > 0;

	-- words is the lower-case text of a link, see store.SearchText.
	CREATE TABLE links (
		id      bigint PRIMARY KEY,
		site    bytea NOT NULL,
		slug    bytea NOT NULL,
		status  bytea NOT NULL,
		program bytea NOT NULL,
		partner bytea NOT NULL,
		words   bytea NOT NULL,
		body    bytea NOT NULL
	);
	CREATE UNIQUE INDEX links_slug ON links (site, slug);
	CREATE INDEX links_program ON links (program, id) WHERE program <> '';
	CREATE INDEX links_partner ON links (program, partner, id) WHERE partner <> '';

	CREATE TABLE changes (
		seq    bigint PRIMARY KEY,
		at     bigint NOT NULL,
		actor  bytea NOT NULL,
		kind   bytea NOT NULL,
		action bytea NOT NULL,
		key    bytea NOT NULL,
		before bytea,
		after  bytea
	);
	CREATE INDEX changes_key ON changes (kind, key, seq);

	-- The last number given of each sequence. Every change writes into it, so its one page keeps room for the versions of a row.
	CREATE TABLE counters (
		name text PRIMARY KEY,
		last bigint NOT NULL
	) WITH (fillfactor = 10);
	INSERT INTO counters VALUES ('link', 0), ('change', 0);

	CREATE TABLE reports (
		id      bytea NOT NULL,
		program bytea NOT NULL,
		tx      bytea NOT NULL,
		digest  bytea NOT NULL,
		body    bytea NOT NULL,
		PRIMARY KEY (program, tx, digest)
	);

	CREATE TABLE conversions (
		id       bytea PRIMARY KEY,
		program  bytea NOT NULL,
		tx       bytea NOT NULL,
		event    bytea NOT NULL,
		ordinal  bigint NOT NULL,
		state    bytea NOT NULL,
		at       bigint NOT NULL,
		updated  bigint NOT NULL,
		due      bigint NOT NULL,
		amount   bigint NOT NULL,
		currency bytea NOT NULL,
		shares   bytea,
		partner  bytea NOT NULL,
		click_id bytea NOT NULL,
		click_at bigint NOT NULL,
		visitor  bytea NOT NULL,
		coupon   bytea NOT NULL,
		customer bytea NOT NULL,
		link     bigint NOT NULL,
		page     bytea NOT NULL,
		variant  bytea NOT NULL,
		sub1     bytea NOT NULL,
		revision bigint NOT NULL,
		flagged  boolean NOT NULL,
		path     bytea,
		rulings  bytea,
		evidence bytea,
		whole    bigint NOT NULL
	);
	CREATE INDEX conversions_tx ON conversions (program, tx);
	CREATE INDEX conversions_due ON conversions (due, id) WHERE due > 0;
	CREATE INDEX conversions_at ON conversions (at, id);
	CREATE INDEX conversions_program ON conversions (program, at, id);
	CREATE INDEX conversions_state ON conversions (state, at, id);
	CREATE INDEX conversions_program_state ON conversions (program, state, at, id);
	CREATE INDEX conversions_click ON conversions (click_id, at, id) WHERE click_id <> '';
	CREATE INDEX conversions_customer ON conversions (program, customer, at) WHERE customer <> '';
	-- The last two columns let a volume be summed from the index alone.
	CREATE INDEX conversions_partner ON conversions (program, partner, at, id, state, amount);
	CREATE INDEX conversions_cohort ON conversions (` + cohort + `);

	-- An account in one currency.
	CREATE TABLE accounts (
		id       bigint PRIMARY KEY,
		name     bytea NOT NULL,
		currency bytea NOT NULL,
		UNIQUE (name, currency)
	);
	CREATE TABLE postings (
		seq     bigint PRIMARY KEY,
		id      bytea NOT NULL UNIQUE,
		at      bigint NOT NULL,
		why     bytea NOT NULL,
		subject bytea NOT NULL,
		author  bytea NOT NULL,
		note    bytea NOT NULL,
		reason  bytea NOT NULL
	);
	CREATE INDEX postings_at ON postings (at, seq);
	CREATE INDEX postings_subject ON postings (subject, seq);
	CREATE TABLE entries (
		posting bigint NOT NULL,
		line    bigint NOT NULL,
		account bigint NOT NULL,
		amount  bigint NOT NULL,
		balance bigint NOT NULL,  -- of the account after this entry
		PRIMARY KEY (posting, line)
	);
	CREATE INDEX entries_account ON entries (account, posting, line);

	CREATE FUNCTION ledger_kept() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION 'the ledger keeps its %', TG_TABLE_NAME; END $$;
	CREATE TRIGGER entries_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON entries EXECUTE FUNCTION ledger_kept();
	CREATE TRIGGER postings_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON postings EXECUTE FUNCTION ledger_kept();
	CREATE TRIGGER accounts_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts EXECUTE FUNCTION ledger_kept();

	-- seq is the order in which they came, without gaps; see RejectionsMax.
	CREATE TABLE rejections (
		seq     bigint PRIMARY KEY,
		id      bytea NOT NULL UNIQUE,
		at      bigint NOT NULL,
		program bytea NOT NULL,
		source  bytea NOT NULL,
		reason  bytea NOT NULL,
		message bytea NOT NULL,
		remote  bytea NOT NULL,
		raw     bytea NOT NULL
	);
	CREATE INDEX rejections_at ON rejections (at);
	CREATE INDEX rejections_program ON rejections (program, seq);
	CREATE INDEX rejections_reason ON rejections (reason, seq);
	CREATE INDEX rejections_program_reason ON rejections (program, reason, seq);

	CREATE TABLE outbox (
		seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		id         bytea NOT NULL UNIQUE,
		kind       bytea NOT NULL,
		target     bytea NOT NULL,
		body       bytea,
		not_before bigint NOT NULL,
		attempts   bigint NOT NULL,
		last_error bytea NOT NULL,
		dead       boolean NOT NULL DEFAULT false
	);
	CREATE INDEX outbox_due ON outbox (not_before, seq) WHERE NOT dead;
	CREATE INDEX outbox_dead ON outbox (seq) WHERE dead;`
