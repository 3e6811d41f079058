using System.Collections.Immutable;
using System.Globalization;
using Dunning.Model;
using NodaTime;

namespace Dunning.Postgres;

/// <summary>A card's tries as they are stored: <c>2900@1767258000 2900@1767430800</c>, minor units and seconds since 1970.</summary>
internal static class TryList
{
    public static string Write(ImmutableArray<CardTry> tries) =>
        string.Join(' ', tries.Select(t => string.Create(CultureInfo.InvariantCulture, $"{t.Minor}@{t.At.ToUnixTimeSeconds()}")));

    public static ImmutableArray<CardTry> Parse(string stored) => stored.Length == 0 ? [] :
    [
        .. stored.Split(' ').Select(t => t.Split('@')).Select(t => new CardTry(
            long.Parse(t[0], CultureInfo.InvariantCulture), Instant.FromUnixTimeSeconds(long.Parse(t[1], CultureInfo.InvariantCulture)))),
    ];
}
