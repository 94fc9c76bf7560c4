#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* Counts the words on standard input. */
int main(void)
{
    const char *request = getenv("LAMBDA_RUNTIME_AWS_REQUEST_ID");
    long words = 0;
    int inside = 0;

    for (int letter; (letter = getchar()) != EOF;) {
        words += !isspace(letter) && !inside;
        inside = !isspace(letter);
    }
    fprintf(stderr, "request %s has %ld words\n", request ? request : "-", words);
    printf("%ld\n", words);
    return 0;
}
