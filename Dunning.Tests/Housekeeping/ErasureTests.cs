using Dapper;
using Dunning.Commands;
using Dunning.Events;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Tests.Books;
using Dunning.Tests.Faults;
using Dunning.Tests.Gateways;
using Dunning.Tests.Guards;
using Dunning.Tests.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using NodaTime;
using Npgsql;

namespace Dunning.Tests.Housekeeping;

/// <summary>
/// Nothing of a person is left after a purge but what the law asks for: every column of every table is read, whatever it is for, so a table that is
/// made one day and forgotten here is found.
/// </summary>
public sealed class ErasureTests
{
    // What is on an invoice stays on it (and a document is one, in its bytes).
    private static readonly string[] s_byLaw = ["dunning.invoice.buyer", "dunning.document.bytes"];

    // Of the account and its owner: name, legal name, address, street, card, token, customer at the gateway, VAT number.
    private static readonly string[] s_personal =
        ["Zebedee Quux", "zebedee@quux", "Quuxworks", "Impasse Quux", "Quuxville", "FR40303265045", "sandbox_decline_expired_card", "cus_quux", "7734"];

    [Fact]
    public async Task After_a_purge_nobody_is_found_in_any_column_of_any_table()
    {
        var folder = Directory.CreateTempSubdirectory("dunning-erase-").FullName;
        var settings = BookRuns.Settings(await TestServer.NewDatabaseAsync(), ("Mail:Pickup", folder));
        await using var database = await Database.OpenAsync(settings, default);
        await MigrateCommand.MigrateAsync(database, TimeProvider.System, default); // with the job host's own tables
        await Population.SettleAsync(database.Source, GuardRig.Rules, [Person()], isSimulation: false);
        var time = new SteppedTime();
        await using var engine = await Engine.OpenAsync(database, settings, time, NullLoggerFactory.Instance, takesOver: true, default, GuardRig.Rules);
        await using var connection = await database.Source.OpenConnectionAsync();

        // Charged, dunned, suspended; a gateway has told of the card, a mail server has refused a mail, and the customer was on a page of the gateway's.
        var events = new List<BookEvent>();
        await DayAsync(0);
        await engine.BouncedAsync("a00001", 1, "5.1.1", default);
        await DayAsync(3);
        await connection.ExecuteAsync(
            """
            insert into dunning.webhook (gateway, event_id, type, object_id, charge_key, received_at, state, tries, settled_at, fault) values
                ('stripe', 'e1', 'payment_method.detached', 'sandbox_decline_expired_card', null, '2026-03-02', 'failed', 20, '2026-03-02', 'no such method'),
                ('stripe', 'e2', 'customer.updated', 'cus_quux', null, '2026-03-02', 'failed', 20, '2026-03-02', 'no such customer'),
                ('stripe', 'e3', 'charge.failed', 'ch_of_somebody_else', null, '2026-03-02', 'failed', 20, '2026-03-02', 'no such charge');
            update dunning.outbox set detail = '550 no zebedee@quux.example here' where mail_number = 1;
            insert into dunning.card_session (id, account_id, contact, reference, state, started_at, settled_at) values ('s', 'a00001', 1, 'seti_quux', 'closed', '2026-03-02', '2026-03-02');
            """);
        Assert.Contains("dunning.contact.email", await FindAsync(connection));
        Assert.Contains("dunning.outbox.detail", await FindAsync(connection));

        await DayAsync(20);

        Assert.Equal(1, events.Count(e => e.Type == EventTypes.AccountPurged));
        Assert.NotNull(await connection.ExecuteScalarAsync<DateTime?>("select erased_at from dunning.account"));
        var found = await FindAsync(connection);
        Assert.Contains("dunning.invoice.buyer", found);
        Assert.Empty(found.Except(s_byLaw));
        Assert.Equal("ch_of_somebody_else", await connection.ExecuteScalarAsync<string>("select string_agg(object_id, ' ') from dunning.webhook"));
        Assert.Equal(0, await connection.ExecuteScalarAsync<long>("select count(reference) from dunning.card_session"));
        // It had mails, and the last one told of the purge.
        Assert.Contains(Directory.GetFiles(folder, "*.eml", SearchOption.AllDirectories), f => File.ReadAllText(f).Contains("zebedee@quux.example", StringComparison.Ordinal));
        Directory.Delete(folder, recursive: true);

        async Task DayAsync(int days)
        {
            for (var day = 0; day <= days; day++)
            {
                for (var pass = 0; pass < 3; pass++)
                {
                    var report = await engine.RunAsync(PassKind.All, default, onSaved: d =>
                    {
                        lock (events)
                        {
                            events.AddRange(d.Events);
                        }
                    });
                    Assert.Empty(report.Faults);
                    time.Advance(TimeSpan.FromMinutes(15));
                }
                time.Advance(TimeSpan.FromHours(24) - TimeSpan.FromMinutes(45));
            }
        }
    }

    [Fact]
    public async Task The_migration_counts_the_disputes_that_are_not_over()
    {
        await using var rig = await GuardRig.NewAsync(Enumerable.Range(1, 3).Select(n => Population.Account(n, "sandbox_ok")));
        await GuardRig.RunAsync(await rig.ServerAsync());
        await using var connection = await rig.Database.Source.OpenConnectionAsync();
        // One is disputed, of another the dispute was lost and the money is gone.
        await connection.ExecuteAsync(
            """
            update dunning.receivable set disputed = account_id <> 'a00003';
            update dunning.charge set refunded = amount where account_id = 'a00002';
            alter table dunning.account drop column open_disputes;
            """);

        await using (var script = new NpgsqlCommand(Migrator.Embedded().Single(m => m.Version == 17).Sql, connection))
        {
            await script.ExecuteNonQueryAsync();
        }

        Assert.Equal("a00001 1, a00002 0, a00003 0", await connection.ExecuteScalarAsync<string>("select string_agg(id || ' ' || open_disputes, ', ' order by id) from dunning.account"));
    }

    private static AccountFile Person()
    {
        var file = Population.Account(1, "sandbox_decline_expired_card");
        return file with
        {
            Name = "Zebedee Quux",
            LegalName = "Quuxworks SARL",
            Address = new Address("3 Impasse Quux", null, "69002", "Quuxville"),
            VatNumber = "FR40303265045",
            GatewayCustomer = "cus_quux",
            Contacts = [file.Contacts[0] with { Email = "zebedee@quux.example", Name = "Zebedee Quux" }],
            ContactCount = 1,
            Methods = [file.Methods[0] with { Last4 = "7734" }],
        };
    }

    /// <summary>The columns, of any schema but the server's own, in which something personal stands.</summary>
    private static async Task<string[]> FindAsync(NpgsqlConnection connection)
    {
        var columns = (await connection.QueryAsync<(string Table, string Column, string Type)>(
            """
            select format('%I.%I', n.nspname, c.relname), a.attname, a.atttypid::regtype::text from pg_attribute a
            join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
            where c.relkind = 'r' and a.attnum > 0 and not a.attisdropped and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
            order by 1, 2
            """)).ToList();
        Assert.True(columns.Count > 200, "where have the tables gone?");
        var found = new List<string>();
        foreach (var (table, column, type) in columns)
        {
            var text = type == "bytea" ? $"encode(\"{column}\", 'escape')" : $"\"{column}\"::text";
            if (await connection.ExecuteScalarAsync<bool>(
                $"select exists (select from {table} where {text} ilike any(@patterns))", new { patterns = s_personal.Select(p => $"%{p}%").ToArray() }))
            {
                found.Add($"{table}.{column}");
            }
        }
        return [.. found];
    }
}
