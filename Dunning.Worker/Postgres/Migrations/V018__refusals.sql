-- oldest-program: 1
-- Why the gateway is out, and whether it refuses what this installation asks of it. A program that does not know them writes none.

-- Null: it did not answer.
alter table dunning.outage add column reason text;
alter table dunning.outage add column status int;

-- At most one row, from the first charge that was refused for everyone until one is answered. Codes alone, nothing of a customer's.
create table dunning.gateway_refusal (
    is_only  boolean primary key default true check (is_only),
    began_at timestamptz not null,
    -- Passes that it stopped, with none between them whose charges were answered.
    runs     int not null check (runs > 0),
    -- Null: nothing was sent, as when the key's file can't be read.
    status   int,
    reason   text not null
);
