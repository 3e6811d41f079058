using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Dapper;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.SignIn;

/// <summary>
/// Makes guessing slow: after some failed tries a name, and likewise an address, has to wait, each time longer, on every server alike. A try is counted before
/// it is made, so that many at once are no way around it. Names that nobody has are counted the same.
/// </summary>
internal sealed class SignInLimits(NpgsqlDataSource source, TimeProvider time)
{
    private const int FreeOfName = 5;

    // Many people may sit behind one address.
    private const int FreeOfAddress = 20;

    private static readonly Duration s_firstWait = Duration.FromSeconds(10);
    private static readonly Duration s_longestWait = Duration.FromMinutes(15);

    /// <summary>After so long a failure is none any more; housekeeping deletes it.</summary>
    public static readonly Duration Forgotten = Duration.FromDays(1);

    /// <summary>Counts a try as failed. Null: it may be made; else how long to wait.</summary>
    public async Task<Duration?> BeginAsync(string name, IPAddress? address, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        // The address first: one that has to wait counts for no name, or it would leave a row for each that it makes up.
        return await CountAsync(connection, SubjectOf(address), FreeOfAddress, ct) ?? await CountAsync(connection, SubjectOf(name), FreeOfName, ct);
    }

    /// <summary>The try was right: the name's failures are forgotten, and the address has one fewer.</summary>
    public async Task SucceedAsync(string name, IPAddress? address, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(
            """
            delete from dunning.ops_failure where subject = @name or (subject = @address and failures = 1);
            update dunning.ops_failure set failures = failures - 1, blocked_until = null where subject = @address;
            """,
            new { name = SubjectOf(name), address = SubjectOf(address) }, cancellationToken: ct));
    }

    /// <summary>What a name's failures are counted by.</summary>
    public static byte[] SubjectOf(string name) => SHA256.HashData(Encoding.UTF8.GetBytes("name:" + name.Trim().ToLowerInvariant()));

    private async Task<Duration?> CountAsync(NpgsqlConnection connection, byte[] subject, int free, CancellationToken ct)
    {
        var now = Now();
        var values = new
        {
            subject,
            now = now.Utc(),
            forgotten = (now - Forgotten).Utc(),
            free,
            first = s_firstWait.TotalSeconds,
            longest = s_longestWait.TotalSeconds,
        };
        // One statement: the row's lock makes tries at once count one after the other.
        var counted = await connection.ExecuteScalarAsync<int?>(new CommandDefinition(
            """
            insert into dunning.ops_failure as f (subject, failures, last_at) values (@subject, 1, @now)
            on conflict (subject) do update set
                failures = case when f.last_at < @forgotten then 1 else f.failures + 1 end,
                last_at = @now,
                blocked_until = case when f.last_at >= @forgotten and f.failures + 1 >= @free
                    then @now + make_interval(secs => least(@longest, @first * power(2, least(f.failures + 1 - @free, 16)))) end
            where f.blocked_until is null or f.blocked_until <= @now
            returning failures
            """,
            values, cancellationToken: ct));
        if (counted is not null)
        {
            return null;
        }
        var until = await connection.ExecuteScalarAsync<DateTime?>(new CommandDefinition(
            "select blocked_until from dunning.ops_failure where subject = @subject", values, cancellationToken: ct));
        return until is { } at && at.Instant() > now ? at.Instant() - now : Duration.FromSeconds(1);
    }

    /// <summary>What an address's are counted by. An IPv6 customer has a whole /64: one address of it is as good as another.</summary>
    public static byte[] SubjectOf(IPAddress? address)
    {
        var from = address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address;
        var bytes = from?.GetAddressBytes() ?? [];
        return SHA256.HashData([.. "address:"u8, .. from?.AddressFamily == AddressFamily.InterNetworkV6 ? bytes[..8] : bytes]);
    }

    private Instant Now() => Instant.FromDateTimeOffset(time.GetUtcNow());
}
