using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Dunning.Ops.SignIn;

/// <summary>
/// How passwords are kept: PBKDF2 with HMAC-SHA-512 and a salt each, as <c>pbkdf2-sha512$ITERATIONS$SALT$HASH</c>. The count may grow; a password that was
/// kept with a lower one is kept anew when it is next typed.
/// </summary>
internal static class Password
{
    /// <summary>Characters at least: length is what makes one hard to guess.</summary>
    public const int MinLength = 12;

    /// <summary>Characters at most: longer ones only cost time.</summary>
    public const int MaxLength = 200;

    /// <summary>OWASP's count for this function is 210,000; a sign-in may take a little longer.</summary>
    public const int Iterations = 250_000;

    private const string Scheme = "pbkdf2-sha512";
    private const int SaltBytes = 16;
    private const int HashBytes = 64;

    // Of nobody: who is not known takes as long as who is.
    private static readonly string s_nobody = Hash(Convert.ToBase64String(RandomNumberGenerator.GetBytes(24)));

    /// <summary>What is wrong with a new password; null: nothing.</summary>
    public static string? FaultOf(string password) =>
        password.Length < MinLength ? $"it must have {MinLength} characters or more"
        : password.Length > MaxLength ? $"it must have {MaxLength} characters at most"
        : password.Any(char.IsControl) ? "it has a control character"
        : password.Distinct().Count() < 4 ? "it repeats too few characters" : null;

    /// <summary>What is kept of a password.</summary>
    public static string Hash(string password, int iterations = Iterations)
    {
        var salt = RandomNumberGenerator.GetBytes(SaltBytes);
        return string.Create(CultureInfo.InvariantCulture, $"{Scheme}${iterations}${Convert.ToBase64String(salt)}${Convert.ToBase64String(Derive(password, salt, iterations))}");
    }

    /// <summary>Whether it is that password. It takes the same time whether there is one or not.</summary>
    /// <param name="kept">What is kept; null: there is no such user.</param>
    /// <param name="password">What was typed.</param>
    /// <param name="isOld">It is the password, and should be kept anew.</param>
    public static bool Verify(string? kept, string password, out bool isOld)
    {
        isOld = false;
        if ((kept ?? s_nobody).Split('$') is not [Scheme, var count, var salt, var hash]
            || !int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var iterations) || iterations < 1)
        {
            throw new InvalidOperationException("what is kept of a user's password has no form that is known here");
        }
        var isSame = CryptographicOperations.FixedTimeEquals(
            Derive(password.Length > MaxLength ? "" : password, Convert.FromBase64String(salt), iterations), Convert.FromBase64String(hash));
        var isRight = isSame & kept is not null & password.Length is > 0 and <= MaxLength;
        isOld = isRight && iterations < Iterations;
        return isRight;
    }

    // Composed, so that é is é on every keyboard.
    private static byte[] Derive(string password, byte[] salt, int iterations) => Rfc2898DeriveBytes.Pbkdf2(
        Encoding.UTF8.GetBytes(password.IsNormalized(NormalizationForm.FormC) ? password : password.Normalize(NormalizationForm.FormC)),
        salt, iterations, HashAlgorithmName.SHA512, HashBytes);
}
