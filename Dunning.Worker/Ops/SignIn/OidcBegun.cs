using System.Net;
using System.Security.Cryptography;
using System.Text;
using Dapper;
using Dunning.Postgres;
using Microsoft.AspNetCore.WebUtilities;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.SignIn;

/// <summary>
/// Sign-ins at the identity provider that have begun, in the database: whichever server gets the answer knows it, takes it once, and only in the browser that
/// began. State and browser stand there by their SHA-256.
/// </summary>
internal sealed class OidcBegun(NpgsqlDataSource source, TimeProvider time)
{
    /// <summary>How long one waits for its answer: long enough to type a password and a second factor.</summary>
    public static readonly Duration Lasts = Duration.FromMinutes(10);

    // Strangers may begin: they must not fill the disk.
    private const int Most = 20_000;

    // Of one address: many people may sit behind it.
    private const int MostByOne = 100;

    /// <summary>What nobody guesses.</summary>
    public static string Random() => WebEncoders.Base64UrlEncode(RandomNumberGenerator.GetBytes(32));

    /// <summary>Whether so many were begun from there, and did not come back, that it has to wait.</summary>
    public async Task<bool> IsTooManyAsync(IPAddress? address, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.ExecuteScalarAsync<int>(new CommandDefinition(
            "select count(*)::int from dunning.ops_oidc where address = @address and ends_at > @now",
            new { address = SignInLimits.SubjectOf(address), now = Now().Utc() }, cancellationToken: ct)) >= MostByOne;
    }

    /// <summary>Keeps one.</summary>
    public async Task KeepAsync(string state, string browser, (string Nonce, string Verifier, string Back) begun, IPAddress? address, CancellationToken ct)
    {
        var now = Now();
        await using var connection = await source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(
            """
            delete from dunning.ops_oidc where ends_at <= @now;
            delete from dunning.ops_oidc where state_hash in (
                select state_hash from dunning.ops_oidc order by ends_at limit greatest((select count(*) from dunning.ops_oidc) - @most + 1, 0));
            insert into dunning.ops_oidc (state_hash, browser_hash, nonce, verifier, back, address, ends_at)
            values (@state, @browser, @nonce, @verifier, @back, @address, @ends);
            """,
            new
            {
                state = HashOf(state),
                browser = HashOf(browser),
                nonce = begun.Nonce,
                verifier = begun.Verifier,
                back = begun.Back,
                address = SignInLimits.SubjectOf(address),
                now = now.Utc(),
                ends = (now + Lasts).Utc(),
                most = Most,
            },
            cancellationToken: ct));
    }

    /// <summary>Takes it, if one of those browsers has begun it.</summary>
    public async Task<(string Browser, (string Nonce, string Verifier, string Back) Begun)?> TakeAsync(
        string state, IReadOnlyList<string> browsers, CancellationToken ct)
    {
        if (state.Length == 0 || browsers.Count == 0)
        {
            return null;
        }
        await using var connection = await source.OpenConnectionAsync(ct);
        var row = await connection.QuerySingleOrDefaultAsync<Row>(new CommandDefinition(
            """
            delete from dunning.ops_oidc where state_hash = @state and browser_hash = any(@browsers) and ends_at > @now
            returning browser_hash, nonce, verifier, back
            """,
            new { state = HashOf(state), browsers = browsers.Select(HashOf).ToArray(), now = Now().Utc() }, cancellationToken: ct));
        return row is null ? null : (browsers.First(b => HashOf(b).AsSpan().SequenceEqual(row.BrowserHash)), (row.Nonce, row.Verifier, row.Back));
    }

    private Instant Now() => Instant.FromDateTimeOffset(time.GetUtcNow());

    private static byte[] HashOf(string text) => SHA256.HashData(Encoding.ASCII.GetBytes(text));

    private sealed record Row(byte[] BrowserHash, string Nonce, string Verifier, string Back);
}
