using System.Security.Cryptography;
using System.Text;

namespace Dunning.Ops.SignIn;

/// <summary>
/// The way in while nobody is set up: a token that this process makes at its start and prints where it was started. It lets in once. Only its hash is kept.
/// </summary>
internal sealed class FirstToken
{
    private byte[]? _hash;

    /// <summary>Makes one; there was none.</summary>
    public string Make()
    {
        // Typed or pasted once: letters and digits that can't be taken for each other.
        var token = RandomNumberGenerator.GetString("abcdefghjkmnpqrstuvwxyz23456789", 26);
        _hash = HashOf(token);
        return token;
    }

    /// <summary>Whether it is the token, and nobody has used it. Of many at once one is right.</summary>
    public bool TryUse(string token)
    {
        var hash = Volatile.Read(ref _hash);
        return hash is not null && CryptographicOperations.FixedTimeEquals(hash, HashOf(token.Trim())) && Interlocked.CompareExchange(ref _hash, null, hash) == hash;
    }

    private static byte[] HashOf(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));
}
