-- Three roles, so that the running service can neither change the schema nor rewrite its own history:
--
--   dunning_owner   owns the schemas; 'dunning migrate' runs as it
--   dunning_app     the service and its other commands, 'dunning import' too: Database:Migrate=false
--   dunning_report  reads, without addresses, names, tokens, links and sign-in
--
-- Run it in the database as a superuser (or as the database's owner with CREATEROLE, who must be a member of the three), before the first migrate and again
-- after each that brings new tables; it may be run any number of times:
--
--   psql -d dunning -f roles.sql
--   psql -d dunning -c "alter role dunning_owner password '…'" -c "alter role dunning_app password '…'" -c "alter role dunning_report password '…'"

do $$
declare
    wanted text;
begin
    foreach wanted in array array['dunning_owner', 'dunning_app', 'dunning_report'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            execute format('create role %I login nosuperuser nocreatedb nocreaterole noreplication', wanted);
        end if;
    end loop;
    execute format('revoke all on database %I from public', current_database());
    execute format('grant connect on database %I to dunning_owner, dunning_app, dunning_report', current_database());
    execute format('grant create, temporary on database %I to dunning_owner', current_database());
    -- Its name tells a report apart from the service.
    execute format('alter role dunning_report in database %I set default_transaction_read_only = on', current_database());
end $$;

revoke all on schema public from public;

do $$
declare
    space text;
    thing record;
begin
    foreach space in array array['dunning', 'sandbox', 'hangfire'] loop
        execute format('create schema if not exists %I authorization dunning_owner', space);
        execute format('alter schema %I owner to dunning_owner', space);
        -- What a migrate as another role has made.
        for thing in
            select c.relname as name, c.relkind as kind from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname = space and c.relkind in ('r', 'p', 'v', 'm') and pg_get_userbyid(c.relowner) <> 'dunning_owner'
        loop
            execute format('alter %s %I.%I owner to dunning_owner',
                case thing.kind when 'v' then 'view' when 'm' then 'materialized view' else 'table' end, space, thing.name);
        end loop;
        for thing in
            select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname = space and c.relkind = 'S' and pg_get_userbyid(c.relowner) <> 'dunning_owner'
                -- A sequence of a column goes with its table.
                and not exists (select from pg_depend d where d.objid = c.oid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i'))
        loop
            execute format('alter sequence %I.%I owner to dunning_owner', space, thing.name);
        end loop;
        for thing in
            select p.oid::regprocedure::text as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
            where n.nspname = space and p.prokind in ('f', 'p') and pg_get_userbyid(p.proowner) <> 'dunning_owner'
        loop
            execute format('alter routine %s owner to dunning_owner', thing.name);
        end loop;
        execute format('revoke all on schema %I from public', space);
        execute format('grant usage on schema %I to dunning_app', space);
        execute format('revoke all on all tables in schema %I from dunning_app, dunning_report, public', space);
        execute format('grant select, insert, update, delete on all tables in schema %I to dunning_app', space);
        execute format('grant usage, select on all sequences in schema %I to dunning_app', space);
        -- Tables of the next migrate can be used at once: this script need not have been run again for an upgrade to go on.
        execute format('alter default privileges for role dunning_owner in schema %I grant select, insert, update, delete on tables to dunning_app', space);
        execute format('alter default privileges for role dunning_owner in schema %I grant usage, select on sequences to dunning_app', space);
    end loop;
end $$;

-- What a person is erased by, and what housekeeping ends, are functions that do that and nothing else.
do $$
declare
    made regprocedure;
begin
    for made in select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'dunning' and p.prokind = 'f' loop
        execute format('revoke all on function %s from public', made);
        -- History ends only where its owner has said so; what the owner has allowed stays. With Retention:Events:Years, once:
        --   grant execute on function dunning.prune_events(timestamptz, timestamptz, int) to dunning_app;
        if made::oid is distinct from to_regproc('dunning.prune_events')::oid then
            execute format('grant execute on function %s to dunning_app', made);
        end if;
    end loop;
end $$;
alter default privileges for role dunning_owner in schema dunning grant execute on functions to dunning_app;

-- History: written, read, and never changed. These tables have triggers that refuse it to everyone; here the service's role is not even asked.
do $$
declare
    kept text;
begin
    foreach kept in array array['event', 'invoice', 'credit_note', 'document', 'audit', 'migration'] loop
        if to_regclass('dunning.' || kept) is not null then
            execute format('revoke update, delete, truncate on dunning.%I from dunning_app', kept);
        end if;
    end loop;
    if to_regclass('dunning.migration') is not null then
        revoke insert on dunning.migration from dunning_app;
    end if;
    -- Books of what is owed and was paid: rows are changed, never taken out.
    foreach kept in array array['account', 'subscription', 'receivable', 'charge', 'plan_version', 'tax_rate', 'seller', 'invoice_series', 'dunning_schedule'] loop
        if to_regclass('dunning.' || kept) is not null then
            execute format('revoke delete, truncate on dunning.%I from dunning_app', kept);
        end if;
    end loop;
end $$;

-- Reports: table by table and column by column, so that a new table shows nothing until somebody has thought about it.
do $$
declare
    shown record;
begin
    grant usage on schema dunning to dunning_report;
    for shown in
        select a.attrelid::regclass::text as name, string_agg(quote_ident(a.attname), ', ' order by a.attnum) as columns
        from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'dunning' and a.attnum > 0 and not a.attisdropped
            and c.relname in ('account', 'subscription', 'receivable', 'invoice', 'credit_note', 'charge', 'event', 'contact', 'payment_method', 'outbox', 'due',
                'plan_version', 'tax_rate', 'dunning_schedule', 'outage', 'gateway_refusal', 'invoice_series', 'migration')
            and (c.relname, a.attname) not in (
                ('account', 'name'), ('account', 'legal_name'), ('account', 'line1'), ('account', 'line2'), ('account', 'vat_number'), ('account', 'gateway_customer'),
                ('invoice', 'buyer'), ('contact', 'email'), ('contact', 'name'), ('payment_method', 'token'), ('outbox', 'email'), ('outbox', 'name'), ('outbox', 'facts'),
                ('outbox', 'message_id'))
        group by a.attrelid
    loop
        execute format('grant select (%s) on %s to dunning_report', shown.columns, shown.name);
    end loop;
end $$;
