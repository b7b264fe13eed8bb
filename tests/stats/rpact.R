# Makes tests/stats/rpact.txt: Rscript tests/stats/rpact.R > tests/stats/rpact.txt (R with the package rpact, Debian r-cran-rpact)
suppressMessages(library(rpact)); options(digits=15)
cat("version", as.character(packageVersion("rpact")), R.version.string, "\n")
plans <- list(c(0.5,1), c(0.25,0.5,0.75,1), c(0.2,0.45,0.8,1), c(0.1,0.3,0.6,0.9,1))
for (type in c("asOF","asP")) for (info in plans) {
  d <- getDesignGroupSequential(typeOfDesign=type, informationRates=info, alpha=0.05, sided=2)
  cat("BOUNDS", type, paste(info,collapse=","), paste(format(d$criticalValues,digits=12),collapse=","), "\n")
  for (drift in c(1,2,2.8,3.6)) {
    p <- getPowerAndAverageSampleNumber(d, theta=drift, nMax=1)
    cat("POWER", type, paste(info,collapse=","), drift, format(p$overallReject,digits=12), format(p$averageSampleNumber,digits=12), "\n")
  }
}
for (type in c("asOF","asP")) for (info in plans) {
  k <- length(info)
  fut <- seq(-0.5, 0.8, length.out=k-1)
  d <- getDesignGroupSequential(typeOfDesign=type, informationRates=info, alpha=0.025, sided=1, futilityBounds=fut, bindingFutility=FALSE)
  for (drift in c(0,2.8)) {
    p <- getPowerAndAverageSampleNumber(d, theta=drift, nMax=1)
    cat("FUTILITY", type, paste(info,collapse=","), drift, paste(format(d$criticalValues,digits=12),collapse=","), paste(fut,collapse=","), format(p$overallReject,digits=12), format(p$overallFutility,digits=12), format(p$averageSampleNumber,digits=12), "\n")
  }
}
# conditional power, means with known variance: one group, sd 1
for (info in plans[2:4]) {
  d <- getDesignGroupSequential(typeOfDesign="asOF", informationRates=info, alpha=0.025)
  N <- 400
  n <- diff(c(0, info*N))
  for (z in c(0.4,1.2,2.0)) {
    m <- z/sqrt(info[1]*N)
    data <- getDataset(n=n[1], means=m, stDevs=1)
    sr <- getStageResults(d, data, normalApproximation=TRUE, stage=1)
    for (th in c(0.1,0.14)) {
      cp <- getConditionalPower(sr, nPlanned=n[-1], thetaH1=th, assumedStDev=1)
      cat("CONDITIONAL", paste(info,collapse=","), z, th*sqrt(N), paste(format(d$criticalValues,digits=12),collapse=","), paste(format(cp$conditionalPower[-1],digits=10),collapse=","), "\n")
    }
  }
  # final inference at the second stage
  for (zz in c(1.2,2.2)) for (ov in c(3.3,3.6)) {
    z1 <- min(zz, d$criticalValues[1]-0.1); t1<-info[1]; t2<-info[2]
    if (ov < d$criticalValues[2]) next
    s1 <- z1*sqrt(t1); s2 <- ov*sqrt(t2)
    m1 <- z1/sqrt(t1*N); m2 <- (s2-s1)*sqrt(N)/n[2]
    data <- getDataset(cumulativeN=cumsum(n[1:2]), cumulativeMeans=c(m1, s2*sqrt(N)/sum(n[1:2])), cumulativeStDevs=c(1,1))
    r <- getAnalysisResults(d, data, normalApproximation=TRUE, stage=2)
    cat("FINAL", paste(info,collapse=","), ov, paste(format(d$criticalValues,digits=12),collapse=","), format(r$finalPValues[2],digits=10), format(r$finalConfidenceIntervalLowerBounds[2]*sqrt(N),digits=10), format(r$finalConfidenceIntervalUpperBounds[2]*sqrt(N),digits=10), format(r$medianUnbiasedEstimates[2]*sqrt(N),digits=10), "\n")
  }
}
