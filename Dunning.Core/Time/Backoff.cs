using NodaTime;

namespace Dunning.Time;

/// <summary>How long to wait before something that others failed to take is handed over again.</summary>
public static class Backoff
{
    private static readonly Duration s_first = Duration.FromMinutes(1);
    private static readonly Duration s_longest = Duration.FromHours(6);

    /// <summary>After so many tries: a minute, doubling to six hours.</summary>
    public static Duration After(int tries) => Duration.Min(s_longest, s_first * (1L << Math.Clamp(tries - 1, 0, 20)));
}
