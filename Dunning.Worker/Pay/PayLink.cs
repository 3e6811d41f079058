using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Dunning.Model;
using NodaTime;

namespace Dunning.Pay;

/// <summary>What a link is for. The numbers stand in every mail that was sent: they never change.</summary>
public enum LinkPurpose
{
    /// <summary>A debt: another payment method. It ends with the debt.</summary>
    Debt = 1,

    /// <summary>A card that is about to expire. It ends with the card.</summary>
    Card = 2,

    /// <summary>A payment that the bank wants confirmed. It ends with the debt.</summary>
    Confirm = 3,
}

/// <summary>What a link in a mail says, once its signature is checked.</summary>
/// <param name="Account">The account's id.</param>
/// <param name="Contact">Who got it: the contact's number.</param>
/// <param name="Purpose">What for.</param>
/// <param name="Method">The method that it is about, if any.</param>
/// <param name="At">When the mail was decided, to the second: a later revocation ends it.</param>
public sealed record PayLink(string Account, int Contact, LinkPurpose Purpose, MethodRef? Method, Instant At)
{
    /// <summary>Length of a key, in bytes.</summary>
    public const int KeyBytes = 32;

    // The longest ids make some 2,400 characters.
    private const int MaxLength = 3000;
    private const byte Version = 1;
    private const int HeadBytes = 1 + 1 + 2 + 4 + 8 + 4 + 2;

    /// <summary>The token: base64url of the content and its HMAC-SHA256. The same link under the same key gives the same token.</summary>
    public string Sign(int keyNumber, ReadOnlySpan<byte> key)
    {
        var (account, method) = (Encoding.UTF8.GetBytes(Account), Method is { } m ? Encoding.UTF8.GetBytes(m.Id) : []);
        var bytes = new byte[HeadBytes + account.Length + method.Length + HMACSHA256.HashSizeInBytes];
        (bytes[0], bytes[1]) = (Version, (byte)Purpose);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(2), (ushort)keyNumber);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(4), Contact);
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(8), At.ToUnixTimeSeconds());
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(16), Method?.Generation ?? -1);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(20), (ushort)account.Length);
        account.CopyTo(bytes, HeadBytes);
        method.CopyTo(bytes, HeadBytes + account.Length);
        var content = bytes.AsSpan(..^HMACSHA256.HashSizeInBytes);
        HMACSHA256.HashData(key, content, bytes.AsSpan(content.Length));
        return Base64Url.EncodeToString(bytes);
    }

    /// <summary>Number of the key that a token says it was signed with; null when it is no token.</summary>
    public static int? KeyNumberOf(string token) => Decode(token) is { } bytes ? BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(2)) : null;

    /// <summary>What a token says, or null when it was not signed with that key. Compared in constant time.</summary>
    public static PayLink? Check(string token, ReadOnlySpan<byte> key)
    {
        if (Decode(token) is not { } bytes)
        {
            return null;
        }
        var content = bytes.AsSpan(..^HMACSHA256.HashSizeInBytes);
        if (!CryptographicOperations.FixedTimeEquals(HMACSHA256.HashData(key, content), bytes.AsSpan(content.Length)))
        {
            return null;
        }
        // Ours, hence well-formed.
        var length = BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(20));
        var generation = BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(16));
        return new PayLink(
            Encoding.UTF8.GetString(content.Slice(HeadBytes, length)), BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(4)), (LinkPurpose)bytes[1],
            generation < 0 ? null : new MethodRef(Encoding.UTF8.GetString(content[(HeadBytes + length)..]), generation),
            Instant.FromUnixTimeSeconds(BinaryPrimitives.ReadInt64BigEndian(bytes.AsSpan(8))));
    }

    private static byte[]? Decode(string token)
    {
        if (token.Length > MaxLength || !Base64Url.IsValid(token))
        {
            return null;
        }
        var bytes = Base64Url.DecodeFromChars(token);
        // One spelling only: who counts visits by token is not fooled by another.
        return bytes.Length > HeadBytes + HMACSHA256.HashSizeInBytes && bytes[0] == Version && Base64Url.EncodeToString(bytes) == token ? bytes : null;
    }
}
