namespace Dunning.Mail;

/// <summary>A file that goes with a message.</summary>
/// <param name="FileName">As the recipient sees it.</param>
/// <param name="MediaType">Such as <c>application/pdf</c>.</param>
/// <param name="Content">The file.</param>
public sealed record MailAttachment(string FileName, string MediaType, ReadOnlyMemory<byte> Content);
