-- The engine's state. Exact amounts are decimal text; times are ns since the epoch, UTC.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE cycles (
    id TEXT PRIMARY KEY,
    strategy TEXT NOT NULL,
    session TEXT NOT NULL,
    start_currency TEXT NOT NULL,
    legs TEXT NOT NULL CHECK (json_valid(legs)),            -- [["ETH-USDT", 0], …], side of each
    initial_amount TEXT NOT NULL,
    current_currency TEXT NOT NULL,
    current_amount TEXT NOT NULL,
    changes TEXT NOT NULL CHECK (json_valid(changes)),      -- {"USDT": "-500", "ETH": "0.2"}
    state TEXT NOT NULL CHECK (state IN ('pending', 'validating', 'active', 'partially_filled',
        'completed', 'failed', 'recovering', 'panic_selling')),
    step INTEGER NOT NULL,
    outcome TEXT,
    profit TEXT,
    error TEXT,
    started_ns INTEGER NOT NULL,
    ended_ns INTEGER,
    updated_ns INTEGER NOT NULL,
    metadata TEXT NOT NULL CHECK (json_valid(metadata)),
    CHECK ((ended_ns IS NULL) = (state NOT IN ('completed', 'failed')))
) WITHOUT ROWID;
CREATE INDEX cycles_open ON cycles (started_ns) WHERE ended_ns IS NULL;
CREATE INDEX cycles_ended ON cycles (ended_ns) WHERE ended_ns IS NOT NULL;

CREATE TABLE orders (
    client_id TEXT PRIMARY KEY,
    cycle TEXT NOT NULL REFERENCES cycles (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL CHECK (purpose IN ('leg', 'unwind', 'panic')),
    leg INTEGER,
    symbol TEXT NOT NULL,
    side INTEGER NOT NULL,
    kind TEXT NOT NULL,
    time_in_force TEXT NOT NULL,
    size TEXT,
    funds TEXT,
    price TEXT,
    status TEXT NOT NULL CHECK (status IN ('intended', 'accepted', 'done', 'refused', 'lost')),
    order_id TEXT,
    filled TEXT NOT NULL DEFAULT '0',
    funds_filled TEXT NOT NULL DEFAULT '0',
    spent TEXT NOT NULL DEFAULT '0',
    received TEXT NOT NULL DEFAULT '0',
    fee TEXT NOT NULL DEFAULT '0',
    fee_currency TEXT,
    reason TEXT,
    intended_ns INTEGER NOT NULL,
    ended_ns INTEGER
) WITHOUT ROWID;
CREATE INDEX orders_of ON orders (cycle);
CREATE INDEX orders_open ON orders (client_id) WHERE status IN ('intended', 'accepted', 'lost');

CREATE TABLE fills (
    client_id TEXT NOT NULL REFERENCES orders (client_id) ON DELETE CASCADE,
    trade_id TEXT NOT NULL,                                 -- the venue's, or 'whole' for all of an order
    size TEXT NOT NULL,
    price TEXT NOT NULL,
    ts_ns INTEGER NOT NULL,
    PRIMARY KEY (client_id, trade_id)
) WITHOUT ROWID;

CREATE TABLE transitions (
    number INTEGER PRIMARY KEY,
    cycle TEXT NOT NULL,
    ts_ns INTEGER NOT NULL,
    before TEXT,
    after TEXT NOT NULL,
    what TEXT NOT NULL,
    why TEXT NOT NULL
);
CREATE INDEX transitions_of ON transitions (cycle);

-- An audit that somebody can edit is none. Only the clean-up of cycles that ended long ago, which
-- leaves a note in meta while it works, takes theirs away with them.
CREATE TRIGGER transitions_stay BEFORE UPDATE ON transitions
BEGIN SELECT RAISE(ABORT, 'transitions are append-only'); END;
CREATE TRIGGER transitions_are_kept BEFORE DELETE ON transitions
WHEN NOT EXISTS (SELECT 1 FROM meta WHERE name = 'clean_up')
    OR EXISTS (SELECT 1 FROM cycles WHERE id = OLD.cycle)
BEGIN SELECT RAISE(ABORT, 'transitions are append-only'); END;

CREATE TABLE balances_seen (
    ts_ns INTEGER NOT NULL,
    currency TEXT NOT NULL,
    available TEXT NOT NULL,
    source TEXT NOT NULL,                                   -- who asked the venue
    PRIMARY KEY (ts_ns, currency)
) WITHOUT ROWID;
