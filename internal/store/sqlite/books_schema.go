package sqlite

// booksSchema makes the tables of the books. Times are Unix milliseconds, 0 for none.
//
// A balance at a moment is two look-ups: the last posting until then, and the last entry
// of the account until that posting, which carries the balance after it. It
// rests on postings never being dated before an earlier one.
//
// Triggers keep the ledger as it is, also from other programs. Those before an INSERT stop an
// INSERT OR REPLACE, whose deletions call no trigger; they say FAIL, and the references
// are deferred, because SQLite would otherwise copy every page that a posting touches.
//
// What a commit costs is the pages it writes, and an index in random order is one for each
// row. So there is no index that another can stand in for.
const booksSchema = `CREATE TABLE reports (
		seq     INTEGER PRIMARY KEY,
		id      TEXT NOT NULL,
		program TEXT NOT NULL,
		tx      TEXT NOT NULL,
		digest  TEXT NOT NULL,
		body    BLOB NOT NULL
	) STRICT;
	CREATE UNIQUE INDEX reports_digest ON reports (program, tx, digest);

	CREATE TABLE conversions (
		seq      INTEGER PRIMARY KEY,
		id       TEXT NOT NULL UNIQUE,
		program  TEXT NOT NULL,
		tx       TEXT NOT NULL,
		event    TEXT NOT NULL,
		ordinal  INTEGER NOT NULL,
		state    TEXT NOT NULL,
		at       INTEGER NOT NULL,
		updated  INTEGER NOT NULL,
		due      INTEGER NOT NULL,
		amount   INTEGER NOT NULL,
		currency TEXT NOT NULL,
		shares   BLOB,
		partner  TEXT NOT NULL,
		click_id TEXT NOT NULL,
		click_at INTEGER NOT NULL,
		visitor  TEXT NOT NULL,
		coupon   TEXT NOT NULL,
		customer TEXT NOT NULL,
		link     INTEGER NOT NULL,
		page     TEXT NOT NULL,
		variant  TEXT NOT NULL,
		sub1     TEXT NOT NULL,
		revision INTEGER NOT NULL,
		flagged  INTEGER NOT NULL,
		path     BLOB,
		rulings  BLOB,
		evidence BLOB
	) STRICT;
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

	-- An account in one currency.
	CREATE TABLE accounts (
		id       INTEGER PRIMARY KEY,
		name     TEXT NOT NULL,
		currency TEXT NOT NULL,
		UNIQUE (name, currency)
	) STRICT;
	CREATE TABLE postings (
		seq     INTEGER PRIMARY KEY,
		id      TEXT NOT NULL UNIQUE,
		at      INTEGER NOT NULL,
		why     TEXT NOT NULL,
		subject TEXT NOT NULL,
		author  TEXT NOT NULL,
		note    TEXT NOT NULL,
		reason  TEXT NOT NULL
	) STRICT;
	CREATE INDEX postings_at ON postings (at);
	CREATE INDEX postings_subject ON postings (subject);
	CREATE TABLE entries (
		posting INTEGER NOT NULL REFERENCES postings (seq) DEFERRABLE INITIALLY DEFERRED,
		line    INTEGER NOT NULL,
		account INTEGER NOT NULL REFERENCES accounts (id) DEFERRABLE INITIALLY DEFERRED,
		amount  INTEGER NOT NULL,
		balance INTEGER NOT NULL,  -- of the account after this entry
		PRIMARY KEY (posting, line)
	) STRICT, WITHOUT ROWID;
	CREATE INDEX entries_account ON entries (account, posting, line);

	CREATE TRIGGER entries_kept BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'the ledger keeps its entries'); END;
	CREATE TRIGGER entries_fixed BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'the ledger keeps its entries'); END;
	CREATE TRIGGER entries_added BEFORE INSERT ON entries
		WHEN EXISTS (SELECT 1 FROM entries WHERE posting = NEW.posting AND line = NEW.line)
		BEGIN SELECT RAISE(FAIL, 'the ledger keeps its entries'); END;
	CREATE TRIGGER postings_kept BEFORE DELETE ON postings BEGIN SELECT RAISE(ABORT, 'the ledger keeps its postings'); END;
	CREATE TRIGGER postings_fixed BEFORE UPDATE ON postings BEGIN SELECT RAISE(ABORT, 'the ledger keeps its postings'); END;
	CREATE TRIGGER postings_added BEFORE INSERT ON postings
		WHEN EXISTS (SELECT 1 FROM postings WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM postings WHERE seq = NEW.seq)
		BEGIN SELECT RAISE(FAIL, 'the ledger keeps its postings'); END;
	CREATE TRIGGER accounts_kept BEFORE DELETE ON accounts BEGIN SELECT RAISE(ABORT, 'the ledger keeps its accounts'); END;
	CREATE TRIGGER accounts_fixed BEFORE UPDATE ON accounts BEGIN SELECT RAISE(ABORT, 'the ledger keeps its accounts'); END;
	CREATE TRIGGER accounts_added BEFORE INSERT ON accounts
		WHEN EXISTS (SELECT 1 FROM accounts WHERE name = NEW.name AND currency = NEW.currency) OR EXISTS (SELECT 1 FROM accounts WHERE id = NEW.id)
		BEGIN SELECT RAISE(FAIL, 'the ledger keeps its accounts'); END;

	-- seq is the order in which they came; see RejectionsMax.
	CREATE TABLE rejections (
		seq     INTEGER PRIMARY KEY,
		id      TEXT NOT NULL UNIQUE,
		at      INTEGER NOT NULL,
		program TEXT NOT NULL,
		source  TEXT NOT NULL,
		reason  TEXT NOT NULL,
		message TEXT NOT NULL,
		remote  TEXT NOT NULL,
		raw     BLOB
	) STRICT;
	CREATE INDEX rejections_at ON rejections (at);
	CREATE INDEX rejections_program ON rejections (program);
	CREATE INDEX rejections_reason ON rejections (reason);
	CREATE INDEX rejections_program_reason ON rejections (program, reason);

	CREATE TABLE outbox (
		seq        INTEGER PRIMARY KEY,
		id         TEXT NOT NULL UNIQUE,
		kind       TEXT NOT NULL,
		target     TEXT NOT NULL,
		body       BLOB,
		not_before INTEGER NOT NULL,
		attempts   INTEGER NOT NULL,
		last_error TEXT NOT NULL,
		dead       INTEGER NOT NULL DEFAULT 0
	) STRICT;
	CREATE INDEX outbox_due ON outbox (not_before) WHERE dead = 0;
	CREATE INDEX outbox_dead ON outbox (seq) WHERE dead = 1;`
