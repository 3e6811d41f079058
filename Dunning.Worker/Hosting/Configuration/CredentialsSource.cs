namespace Dunning.Hosting.Configuration;

/// <summary>
/// Settings in systemd's credentials directory (<c>LoadCredential=</c>): a file named like the environment variable, such as
/// <c>Mail__Smtp__Password</c>, holds the value. Other files there are for settings that name a file.
/// </summary>
internal sealed class CredentialsSource(string folder) : IConfigurationSource
{
    /// <summary>The variable by which systemd tells the directory.</summary>
    public const string Variable = "CREDENTIALS_DIRECTORY";

    /// <inheritdoc/>
    public IConfigurationProvider Build(IConfigurationBuilder builder) => new CredentialsProvider(folder);
}

/// <inheritdoc cref="CredentialsSource"/>
internal sealed class CredentialsProvider(string folder) : ConfigurationProvider
{
    // A credential may be a megabyte; a value of ours is a line.
    private const int MaxBytes = 65_536;

    /// <summary>The file that holds a key.</summary>
    public string FileOf(string key) => Path.Combine(folder, key.Replace(":", "__", StringComparison.Ordinal));

    /// <inheritdoc/>
    public override void Load()
    {
        var data = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        if (!Directory.Exists(folder))
        {
            return;
        }
        try
        {
            foreach (var file in new DirectoryInfo(folder).EnumerateFiles().Where(f => f.Name.Contains("__", StringComparison.Ordinal) && f.Length <= MaxBytes))
            {
                data[file.Name.Replace("__", ":", StringComparison.Ordinal)] = File.ReadAllText(file.FullName).TrimEnd('\r', '\n');
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidDataException($"the credentials in {folder} can't be read by {Environment.UserName}: {e.Message}");
        }
        Data = data;
    }
}
