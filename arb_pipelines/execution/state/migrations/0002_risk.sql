-- What counts against limits that pause a strategy, and its pauses. Days are of the book's zone.

CREATE TABLE risk_books (
    strategy TEXT PRIMARY KEY,
    zone TEXT NOT NULL,
    book TEXT NOT NULL CHECK (json_valid(book)),
    updated_ns INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE risk_days (                                    -- realised, by calendar day
    strategy TEXT NOT NULL,
    day TEXT NOT NULL,
    currency TEXT NOT NULL,
    profit TEXT NOT NULL,
    cycles INTEGER NOT NULL,
    PRIMARY KEY (strategy, day, currency)
) WITHOUT ROWID;

CREATE TABLE risk_events (
    number INTEGER PRIMARY KEY,
    strategy TEXT NOT NULL,
    ts_ns INTEGER NOT NULL,
    what TEXT NOT NULL CHECK (what IN ('paused', 'cleared', 'resumed')),
    "check" TEXT,                                           -- NULL: all that were standing
    why TEXT NOT NULL,
    who TEXT NOT NULL,
    until_ns INTEGER                                        -- NULL: until a person resumes
);
CREATE INDEX risk_events_of ON risk_events (strategy, number);

CREATE TRIGGER risk_events_stay BEFORE UPDATE ON risk_events
BEGIN SELECT RAISE(ABORT, 'risk_events are append-only'); END;
CREATE TRIGGER risk_events_remain BEFORE DELETE ON risk_events
BEGIN SELECT RAISE(ABORT, 'risk_events are append-only'); END;
