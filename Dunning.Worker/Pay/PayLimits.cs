using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Threading.RateLimiting;

namespace Dunning.Pay;

/// <summary>
/// How often our pages may be asked for, by address and by link. Both are counted in a fixed number of buckets, so that no flood of addresses fills the
/// memory; which bucket is whose nobody outside can work out.
/// </summary>
internal static class PayLimits
{
    /// <summary>Requests a minute with one link: more than a page that looks again every few seconds.</summary>
    public const int PerLink = 60;

    /// <summary>Requests a minute from one address: some offices have one for all.</summary>
    public const int PerAddress = 240;

    private const int Buckets = 4096;

    private static readonly byte[] s_salt = RandomNumberGenerator.GetBytes(16);

    /// <summary>The limiter of the requests below <c>/pay/</c>; everything else passes.</summary>
    public static PartitionedRateLimiter<HttpContext> Create() => PartitionedRateLimiter.CreateChained(
        PartitionedRateLimiter.Create<HttpContext, int>(http => Limit(http, AddressOf(http.Connection.RemoteIpAddress), PerAddress)),
        PartitionedRateLimiter.Create<HttpContext, int>(http => Limit(http, http.Request.Path.Value ?? "", PerLink)));

    private static RateLimitPartition<int> Limit(HttpContext http, string key, int perMinute) =>
        !http.Request.Path.StartsWithSegments("/pay", StringComparison.OrdinalIgnoreCase) ? RateLimitPartition.GetNoLimiter(-1)
            : RateLimitPartition.GetTokenBucketLimiter(BucketOf(key), _ => new TokenBucketRateLimiterOptions
            {
                TokenLimit = perMinute,
                TokensPerPeriod = perMinute / 6,
                ReplenishmentPeriod = TimeSpan.FromSeconds(10),
                QueueLimit = 0,
            });

    // Who has one address of the sixth version has the 2^64 beside it.
    private static string AddressOf(IPAddress? address) => address switch
    {
        null => "",
        { IsIPv4MappedToIPv6: true } => address.MapToIPv4().ToString(),
        { AddressFamily: AddressFamily.InterNetworkV6 } => Convert.ToHexString(address.GetAddressBytes().AsSpan(0, 8)),
        _ => address.ToString(),
    };

    private static int BucketOf(string key)
    {
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(s_salt, Encoding.UTF8.GetBytes(key), hash);
        return BitConverter.ToUInt16(hash) % Buckets;
    }
}
