using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Dunning.Commands;
using Dunning.Hosting;
using Dunning.Hosting.Configuration;
using Microsoft.Extensions.Configuration;

namespace Dunning.Tests.Hosting.Configuration;

/// <summary>Every key is registered, with its true limits, and the page about them is the program's own.</summary>
public sealed partial class SettingKeysTests
{
    [Fact]
    public void Every_key_that_the_code_speaks_of_is_registered()
    {
        var missing = Sources().SelectMany(file => Keys().Matches(File.ReadAllText(file)).Select(m => (Key: m.Groups["key"].Value, File: Path.GetFileName(file))))
            .Where(k => !SettingKeys.IsKnown(Sample(k.Key)) && !SettingKeys.All.Any(r => r.Name.StartsWith(k.Key + ":", StringComparison.OrdinalIgnoreCase)
                || r.Name.EndsWith(":" + k.Key, StringComparison.OrdinalIgnoreCase)))
            .Select(k => $"{k.Key} in {k.File} is not in Hosting/Configuration/SettingKeys.*.cs: add it there").Distinct().ToList();
        Assert.True(missing.Count == 0, string.Join('\n', missing));
    }

    [Fact]
    public void No_key_is_registered_twice() =>
        Assert.Empty(SettingKeys.All.GroupBy(k => k.Name, StringComparer.OrdinalIgnoreCase).Where(g => g.Count() > 1).Select(g => g.Key));

    [Fact]
    public void Every_key_of_appsettings_is_registered_and_has_the_default_that_is_told()
    {
        var configuration = new ConfigurationBuilder().AddJsonFile(Path.Combine(Root(), "appsettings.json")).Build();
        foreach (var (key, value) in configuration.AsEnumerable().Where(p => p.Value is not null))
        {
            var known = SettingKeys.Find(key);
            Assert.True(known is not null, key);
            Assert.Equal((key, known.Default), (key, value is "True" or "False" ? value.ToLowerInvariant() : value));
        }
    }

    [Fact]
    public async Task The_reference_is_what_the_program_writes()
    {
        var output = new StringWriter();
        Assert.Equal(0, await CommandLine.RunAsync(["config", "reference"], output, TextWriter.Null));
        var file = Path.Combine(Root(), "docs", "configuration.md");
        Assert.True(File.ReadAllText(file).ReplaceLineEndings("\n") == output.ToString().ReplaceLineEndings("\n"),
            "docs/configuration.md is not of this program: dotnet run --project Dunning.Worker -c Release -- config reference > docs/configuration.md");
    }

    public static TheoryData<string> Numbers() => [.. SettingKeys.All.Where(k => k.Kind == SettingKind.Number).Select(k => k.Name)];

    [Theory]
    [MemberData(nameof(Numbers))]
    public void A_number_is_taken_within_its_bounds_and_refused_beyond_them(string name)
    {
        var key = SettingKeys.All.Single(k => k.Name == name);
        Assert.DoesNotContain(Faults(key, key.Min!.Value), f => IsAbout(f, key, key.Min.Value));
        Assert.DoesNotContain(Faults(key, key.Max!.Value), f => IsAbout(f, key, key.Max.Value));
        Assert.Contains(Faults(key, key.Min.Value - 1), f => IsAbout(f, key, key.Min.Value - 1));
        Assert.Contains(Faults(key, key.Max.Value + 1), f => IsAbout(f, key, key.Max.Value + 1));
    }

    public static TheoryData<string> Words() => [.. SettingKeys.All.Where(k => k.Kind is SettingKind.Choice or SettingKind.Flag).Select(k => k.Name)];

    [Theory]
    [MemberData(nameof(Words))]
    public void A_word_that_is_not_one_of_its_choices_is_a_fault_that_names_them(string name)
    {
        var key = SettingKeys.All.Single(k => k.Name == name);
        var fault = Assert.Single(Faults(key, "wrong-word"), f => f.StartsWith(Sample(name) + " is 'wrong-word'", StringComparison.Ordinal));
        Assert.All(key.Kind == SettingKind.Flag ? ["true", "false"] : key.Choices, word => Assert.Contains(word, fault));
        foreach (var word in key.Kind == SettingKind.Flag ? ["true", "false"] : key.Choices)
        {
            Assert.DoesNotContain(Faults(key, word), f => f.StartsWith($"{Sample(name)} is '{word}', but must be", StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData("Dunning:ChargeAtt", "Dunning:ChargeAt")]
    [InlineData("Payment:Gateway", "Payments:Gateway")]
    [InlineData("Mail:Smpt:Host", "Mail:Smtp:Host")]
    [InlineData("Mail:Smtp:Passwort", "Mail:Smtp:Password")]
    [InlineData("Payments:Outage:Failure", "Payments:Outage:Failures")]
    [InlineData("Passes:Batchsizes", "Passes:BatchSize")]
    [InlineData("Http:Url", "Http:Urls")]
    [InlineData("ConnectionStrings:Duning", "ConnectionStrings:Dunning")]
    public void A_misspelt_key_is_told_once_with_the_one_that_was_meant(string given, string meant)
    {
        var fault = Assert.Single(Read((given, "hunter2")), f => f.StartsWith(given + " ", StringComparison.Ordinal));
        Assert.Contains($"did you mean {meant}?", fault);
        Assert.DoesNotContain("hunter2", fault);
    }

    [Fact]
    public void Environment_variables_of_others_are_none_of_our_business()
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection([new("Kubernetes:Port", "1")]).Build();
        Assert.Contains(WorkerSettings.Read(configuration).Faults, f => f.StartsWith("Kubernetes:Port is unknown", StringComparison.Ordinal));
        var others = new ConfigurationBuilder().Add(new CredentialsSource("/nowhere")).Add(new Others()).Build();
        Assert.Empty(WorkerSettings.Read(others).Faults);
    }

    [Fact]
    public void A_secret_is_read_from_the_file_that_its_key_names_and_never_told()
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, "Host=db.example.com;Database=x;Username=u;Password=hunter2\n");
            var configuration = new ConfigurationBuilder().AddInMemoryCollection([new("ConnectionStrings:DunningFile", file)]).Build();
            Assert.Equal("Host=db.example.com;Database=x;Username=u;Password=hunter2", WorkerSettings.Read(configuration).Settings?.ConnectionString);
            Assert.Contains("are both given", Assert.Single(Read(("ConnectionStrings:DunningFile", file), ("ConnectionStrings:Dunning", "Host=x"))));
            File.WriteAllText(file, "");
            Assert.Contains("must be a file that holds the value", Assert.Single(Read(("ConnectionStrings:DunningFile", file))));
        }
        finally
        {
            File.Delete(file);
        }
        Assert.Contains("can't be read", Assert.Single(Read(("ConnectionStrings:DunningFile", file))));
        Assert.DoesNotContain("hunter2", Assert.Single(Read(("ConnectionStrings:Dunning", "Hots=x;Password=hunter2"))));
    }

    [Fact]
    public async Task Config_show_tells_what_holds_and_where_it_was_given_without_secrets()
    {
        var folder = Directory.CreateTempSubdirectory("dunning-config-").FullName;
        try
        {
            var config = Path.Combine(folder, "mine.json");
            File.WriteAllText(config, """{ "Mail": { "Smtp": { "PerMinute": 90 } } }""");
            var output = new StringWriter();
            var code = await CommandLine.RunAsync(
                ["config", "show", "--config", config, "--set", "Dunning:PurgeAfterDays=120", "--set", "ConnectionStrings:Dunning=Host=db;Database=d;Username=u;Password=hunter2",
                    "--set", "Mail:Smtp:User=me", "--set", "Mail:Smtp:Password=hunter2", "--set", "Mail:Smtp:Host=mail.example.com"], output, TextWriter.Null);
            var lines = output.ToString().Split('\n');
            Assert.Equal(0, code);
            Assert.DoesNotContain("hunter2", output.ToString());
            Assert.Matches(@"^Dunning:PurgeAfterDays +120 +--set", Line("Dunning:PurgeAfterDays"));
            Assert.Matches(@"^Mail:Smtp:PerMinute +90 +.*mine\.json", Line("Mail:Smtp:PerMinute"));
            Assert.Matches(@"^Mail:Smtp:Password +\(given, not shown\) +--set", Line("Mail:Smtp:Password"));
            Assert.Contains("Host=db;Database=d;Username=u;Password=(given, not shown)", Line("ConnectionStrings:Dunning"));
            Assert.Matches(@"^Mail:Smtp:TimeoutSeconds +30 +(default|.*appsettings\.json)", Line("Mail:Smtp:TimeoutSeconds"));

            string Line(string key) => Assert.Single(lines, l => l.StartsWith(key + " ", StringComparison.Ordinal));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_credential_named_like_a_key_is_its_value()
    {
        var folder = Directory.CreateTempSubdirectory("dunning-credentials-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "Mail__Smtp__Password"), "hunter2\n");
            File.WriteAllText(Path.Combine(folder, "stripe.key"), "for a setting that names a file");
            var configuration = new ConfigurationBuilder().Add(new CredentialsSource(folder)).Build();
            Assert.Equal("hunter2", configuration["Mail:Smtp:Password"]);
            Assert.Equal(Path.Combine(folder, "Mail__Smtp__Password"), SettingSources.Of(configuration, "Mail:Smtp:Password"));
            Assert.Single(configuration.AsEnumerable(), p => p.Value is not null);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static bool IsAbout(string fault, SettingKey key, int value) => fault.StartsWith($"{Sample(key.Name)} is '{value}', but must be", StringComparison.Ordinal)
        || (fault.Contains($"Day is {value}", StringComparison.Ordinal) && fault.Contains("3650", StringComparison.Ordinal))
        || (value < 0 && fault.Contains($"'{value}'", StringComparison.Ordinal) && fault.StartsWith(Sample(key.Name) + " ", StringComparison.Ordinal));

    private static List<string> Faults(SettingKey key, object value)
    {
        // What makes the section be read at all.
        (string, string)[] with = key.Name switch
        {
            _ when key.Name.StartsWith("Payments:Stripe:", StringComparison.Ordinal) =>
                [("Payments:Gateway", "stripe"), ("Payments:Stripe:SecretKey", "sk_test_0123456789abcdef"), ("Payments:CallTimeoutSeconds", "600")],
            _ when key.Name.StartsWith("Payments:GoCardless:", StringComparison.Ordinal) =>
                [("Payments:Gateway", "gocardless"), ("Payments:GoCardless:AccessToken", "sandbox_0123456789abcdef0123"), ("Payments:CallTimeoutSeconds", "600")],
            _ => [],
        };
        return [.. Read([.. with, (Sample(key.Name), value.ToString()!)])];
    }

    private static IEnumerable<string> Read(params (string Key, string Value)[] keys) => WorkerSettings.Read(
        new ConfigurationBuilder().AddInMemoryCollection(keys.Select(k => new KeyValuePair<string, string?>(k.Key, k.Value))).Build()).Faults;

    private static string Sample(string name) => name.Replace(":PASS:", ":Dun:").Replace("{N}", "4").Replace("{PASS}", "Dun").Replace("{CATEGORY}", "Default");

    private static IEnumerable<string> Sources() => new[] { "Dunning.Core", "Dunning.Worker" }
        .SelectMany(p => Directory.GetFiles(Path.Combine(Root(), p), "*.cs", SearchOption.AllDirectories))
        .Where(f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal)
            && !f.Contains($"{Path.DirectorySeparatorChar}bin{Path.DirectorySeparatorChar}", StringComparison.Ordinal));

    private static string Root([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", "..", ".."));

    // A key as a literal, or in a type's words: <c>Mail:Smtp:Port</c>.
    [GeneratedRegex("""(?:"|<c>)(?<key>[A-Z][A-Za-z]+(?::[A-Z][A-Za-z0-9]+)+)(?:"|</c>)""")]
    private static partial Regex Keys();

    private sealed class Others : ConfigurationProvider, IConfigurationSource
    {
        public IConfigurationProvider Build(IConfigurationBuilder builder) => this;

        public override void Load() => Data["Kubernetes:Port"] = "1";
    }
}
